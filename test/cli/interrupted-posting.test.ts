import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { NodeView } from '../support/node-view.ts';
import { until } from '../support/until.ts';
import { makeVault } from './entity.ts';
import { RunningCli } from './run-cli.ts';

/** No block is made but where the test says so. */
const never = 2 ** 31 - 1;
const posted = 'may have been posted, and come into a block yet';

describe('cli: what posts to an entry, interrupted', () => {
  const sockets = new Set<Socket>();
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let node: NodeView;
  let silent: Server;
  let vault: string;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ blockTimeMs: never });
    node = await NodeView.open(dev.ws);
    silent = createServer((socket) => sockets.add(socket));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    vault = join(folder.path, 'vault');
    await makeVault(vault);
  });
  after(async () => {
    for (const socket of sockets) socket.destroy();
    silent.close();
    await node[Symbol.asyncDispose]();
    await dev.stop();
    await folder.remove();
  });

  const start = (ws: string, ...args: readonly string[]): RunningCli =>
    new RunningCli([...args, '--ws', ws, '--vault', vault, '--suri', '//Alice', '--timeout', '60']);

  // In this order: the second and the third need what the first leaves.
  for (const [args, left] of [
    [['register'], `the registration ${posted}`],
    [['endpoint', 'set', 'https://a.example'], `the endpoints ${posted}`],
    [['rotate'], `the next EcdhKey may be pending in the vault, as keys show says, and its record ${posted}`],
  ] as const)
    for (const [signal, exitCode] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const)
      it(`${args[0]} says by ${signal} what may come yet, which comes`, async () => {
        await using running = start(dev.ws, ...args);
        await until(async () => (await node.ask<unknown[]>('author_pendingExtrinsics')).length > 0);
        assert.equal(await running.end(signal), exitCode);
        assert.deepEqual(
          running.lines.map(({ event, code, details }) => [event, code, details]),
          [['error', 'posting-interrupted', { left }]],
        );
        assert.ok(running.log.includes(`Interrupted: ${left}. [posting-interrupted] See with khala-relay workers`));
        await dev.newBlock();
        assert.deepEqual(await node.ask('author_pendingExtrinsics'), []);
      });

  it('says that nothing was posted where no node was reached', async () => {
    const { port } = silent.address() as AddressInfo;
    for (const args of [['register'], ['endpoint', 'set'], ['rotate']]) {
      const before = sockets.size;
      await using running = start(`ws://127.0.0.1:${port}`, ...args);
      await until(() => sockets.size > before);
      assert.equal(await running.end('SIGTERM'), 143);
      assert.match(running.log, /Interrupted: nothing was posted\. \[posting-interrupted\]/);
    }
  });
});
