import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { until } from '../support/until.ts';
import { RunningCli, runCli } from './run-cli.ts';

interface Node {
  readonly ws: string;
  stop(): Promise<void>;
}

/** When a `send` is killed, ms after its start: before it has read anything, and later and later. Without: it ends by itself. */
const sends: readonly (number | undefined)[] = [undefined, 900, 1_400, 2_000, undefined];
/** Before which of them `listen` is killed and started again. */
const listenDiesBefore: ReadonlySet<number> = new Set([2, 4]);

describe('two terminals, send and listen, killed and started again (embedded chain)', () => {
  twoTerminalsOn(() => startDevChain({ blockTimeMs: 300, finalityLag: 2 }));
});

describeRealNode('two terminals, send and listen, killed and started again', () => {
  twoTerminalsOn(() => startRealNode({ blockTimeMs: 300 }));
});

function twoTerminalsOn(start: () => Promise<Node>): void {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: Node;
  let to: string;
  const vault = (name: string): string => join(folder.path, name);

  before(async () => {
    folder = await temporaryFolder();
    node = await start();
    await runCli(['keys', 'new', '--vault', vault('a')]);
    const { lines } = await runCli(['keys', 'new', '--vault', vault('b'), '--json']);
    to = String(lines[0]?.['identity']);
    const registered = await runCli(['register', '--ws', node.ws, '--vault', vault('b'), '--suri', '//Alice']);
    assert.equal(registered.code, 0, registered.stderr);
  });

  after(async () => {
    await node.stop();
    await folder.remove();
  });

  const listen = (): RunningCli => new RunningCli(['listen', '--vault', vault('b'), '--ws', node.ws]);
  const textsOf = ({ lines }: RunningCli): string[] =>
    lines.filter(({ event }) => event === 'message').map(({ text }) => String(text));
  const sendArgs = (text: string): string[] => {
    const from = ['send', '--ws', node.ws, '--vault', vault('a'), '--suri', '//Alice', '--via', 'chain'];
    return [...from, '--to', to, text];
  };

  it('print each message once and in order, and lose none that was queued', async () => {
    const runs = [listen()];
    await runs[0]?.line(({ event }) => event === 'ready');
    const completed: string[] = [];
    for (const [i, killAfterMs] of sends.entries()) {
      if (listenDiesBefore.has(i)) {
        await runs.at(-1)?.end('SIGKILL');
        runs.push(listen());
      }
      const text = `message ${i}`;
      if (killAfterMs === undefined) {
        const { code, stderr } = await runCli(sendArgs(text));
        assert.equal(code, 0, stderr);
        completed.push(text);
        continue;
      }
      const sending = new RunningCli(sendArgs(text));
      await new Promise((resolve) => setTimeout(resolve, killAfterMs));
      await sending.end('SIGKILL');
      if (sending.lines.some(({ event }) => event === 'sent')) completed.push(text);
    }
    const printed = (): string[] => runs.flatMap(textsOf);
    // The last send posts first what earlier ones had queued when they were killed.
    await until(() => completed.every((text) => printed().includes(text)));
    assert.equal(await runs.at(-1)?.end('SIGTERM'), 0);

    // A message is acknowledged before the next one is printed: only the last line of a killed run may come again.
    const once = runs.flatMap((run, i) => {
      const last = i === 0 ? undefined : textsOf(runs[i - 1]!).at(-1);
      const texts = textsOf(run);
      return texts[0] === last ? texts.slice(1) : texts;
    });
    assert.deepEqual(once, [...new Set(once)], 'none twice');
    const places = once.map((text) => Number(text.split(' ')[1]));
    assert.deepEqual(
      places,
      places.toSorted((a, b) => a - b),
      'in order',
    );
    for (const text of completed) assert.ok(once.includes(text), `${text} came`);
  }).timeout(180_000);
}
