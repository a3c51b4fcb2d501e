import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { openWallet } from '../chain/support.ts';
import { temporaryFolder } from '../support/entities.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli, type Line } from './run-cli.ts';

describe('cli: outbox', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let vault: string;
  let to: string;
  let other: string;

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ workers: 2 });
    vault = join(folder.path, 'a');
    await makeVault(vault);
    const { lines } = await runCli(['workers', '--ws', dev.ws, '--json']);
    [to, other] = lines.map(({ identity }) => String(identity)) as [string, string];
    await register(dev.ws, vault);
  });

  after(async () => {
    await dev.stop();
    await folder.remove();
  });

  async function outbox(...args: readonly string[]): Promise<readonly Line[]> {
    const { code, lines, stderr } = await runCli(['outbox', ...args, '--vault', vault, '--json']);
    assert.equal(code, 0, stderr);
    return lines;
  }

  function send(text: string, ...args: readonly string[]) {
    return runCli(['send', text, '--to', to, '--via', 'chain', '--vault', vault, '--ws', dev.ws, '--json', ...args]);
  }

  it('says where there is nothing yet', async () => {
    const { code, stderr } = await runCli(['outbox', 'ls', '--vault', vault, '--data', join(folder.path, 'none')]);
    assert.equal(code, 2);
    assert.match(stderr, /There are no data/);
  });

  it('lists what was sent, cancels and retries, with no chain and no passphrase', async () => {
    const sent = await send('arrives', '--suri', '//Alice', '--tip', '1000');
    assert.equal(sent.code, 0, sent.stderr);
    await using wallet = await openWallet(dev.ws);
    const { block } = await wallet.api.rpc.chain.getBlock(String(sent.lines[0]?.['blockHash']));
    assert.deepEqual(
      block.extrinsics.filter(({ isSigned }) => isSigned).map(({ tip }) => tip.toNumber()),
      [1_000],
    );
    const failed = await send('too dear', '--suri', '//Alice', '--max-fee', '1');
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /would cost/);
    const lines = await outbox('ls');
    assert.deepEqual(
      lines.map(({ event, sendId, state, to: recipient }) => {
        const isIn = state === 'inBlock' || state === 'finalized';
        return [event, sendId, isIn ? 'in a block' : state, recipient];
      }),
      [
        ['entry', '0', 'in a block', to],
        ['entry', '1', 'failed', to],
      ],
    );
    assert.equal(lines[0]?.['messageId'], sent.lines[0]?.['messageId']);
    assert.equal(lines[1]?.['code'], 'fee-too-high');
    assert.deepEqual(await outbox('retry', '1'), [{ event: 'retried', sendId: '1' }]);
    assert.equal((await outbox('ls', '--pending')).at(-1)?.['state'], 'queued');
    assert.deepEqual(await outbox('cancel', 'all'), [{ event: 'cancelled', sendId: '1' }]);
    assert.deepEqual((await outbox('ls')).at(-1)?.['code'], 'send-cancelled');
    const again = await runCli(['outbox', 'retry', '1', '--vault', vault]);
    assert.equal(again.code, 2);
    assert.match(again.stderr, /did not fail/);
  });

  it('sends what an earlier command left in the queue for someone else', async () => {
    const args = ['--vault', vault, '--ws', dev.ws, '--json'];
    const lines = ['send', '-', '--lines', '--to', other, '--timeout', '1', ...args];
    const left = await runCli(lines, { input: 'left behind\n' });
    assert.equal(left.code, 1);
    assert.match(left.stderr, /still-queued/);
    const sent = await send('to the first', '--suri', '//Alice');
    assert.equal(sent.code, 0, sent.stderr);
    const both = (await outbox('ls')).slice(-2);
    assert.deepEqual(
      both.map((entry) => [entry['to'], entry['code'], typeof entry['blockHash']]),
      [other, to].map((recipient) => [recipient, undefined, 'string']),
    );
  });

  it('takes back or tries again one message, and leaves those for other recipients as they are', async () => {
    const begun = (await outbox('ls')).length;
    const args = [
      'send',
      'x',
      '--via',
      'chain',
      '--vault',
      vault,
      '--ws',
      dev.ws,
      '--suri',
      '//Alice',
      '--max-fee',
      '1',
    ];
    for (const recipient of [to, other, to]) await runCli([...args, '--to', recipient]);
    const states = async () =>
      (await outbox('ls')).slice(begun).map((entry) => [entry['to'], entry['code'] ?? entry['state']]);
    const ids = (await outbox('ls')).slice(begun).map(({ sendId }) => String(sendId));
    assert.deepEqual(
      await states(),
      [to, other, to].map((recipient) => [recipient, 'fee-too-high']),
    );
    await outbox('retry', ids[0]!, ids[1]!);
    await outbox('cancel', ids[1]!);
    assert.deepEqual(await states(), [
      [to, 'queued'],
      [other, 'send-cancelled'],
      [to, 'fee-too-high'],
    ]);
    await outbox('retry', 'all');
    assert.deepEqual(await states(), [
      [to, 'queued'],
      [other, 'send-cancelled'],
      [to, 'queued'],
    ]);
    await outbox('cancel', 'all');
  });

  it('takes back what the worker has signed by --give-up alone, and nothing of an account', async () => {
    // Nothing comes into a block but by hand.
    const still = await startDevChain({ workers: 1, blockTimeMs: 3_600_000 });
    const own = join(folder.path, 'gives-up');
    try {
      const self = await makeVault(own);
      const registered = register(still.ws, own).then(() => true);
      while (!(await Promise.race([registered, still.newBlock().then(() => false)])));
      const { lines: workers } = await runCli(['workers', '--ws', still.ws, '--json']);
      const worker = workers.find(({ identity }) => identity !== self);
      // What a node has taken is waited for: it ends before its message is in a block.
      const sendAs = async (as: string, text: string): Promise<void> => {
        await using sending = new RunningCli([
          ...['send', text, '--to', String(worker?.['identity']), '--via', 'chain', '--as', as, '--vault', own],
          ...['--ws', still.ws, '--suri', '//Alice'],
        ]);
        await until(async () => (await states()).at(-1) === 'submitted');
        await sending.end('SIGKILL');
      };
      const cancel = (...args: readonly string[]) => runCli(['outbox', 'cancel', ...args, '--vault', own, '--json']);
      const states = async () => {
        const { lines } = await runCli(['outbox', 'ls', '--vault', own, '--json']);
        return lines.map(({ code, state }) => code ?? state);
      };
      await sendAs('worker', 'signed');
      assert.deepEqual(await states(), ['submitted']);
      const tooLate = await cancel('0');
      assert.deepEqual([tooLate.code, await states()], [2, ['submitted']], tooLate.stderr);
      assert.match(tooLate.stderr, /\[too-late-to-cancel\]/);
      assert.deepEqual((await cancel('all')).lines, []);
      assert.deepEqual((await cancel('all', '--give-up')).lines, [{ event: 'cancelled', sendId: '0' }]);
      assert.deepEqual(await states(), ['send-cancelled']);
      // It comes in all the same, and makes room for the next.
      await still.newBlock();
      await sendAs('account', 'of an account');
      assert.deepEqual((await cancel('all', '--give-up')).lines, []);
      assert.equal((await states()).at(-1), 'submitted');
    } finally {
      await still.stop();
    }
  });

  it('refuses what is no number, and what is not there', async () => {
    for (const [id, message] of [
      ['x', /no number/],
      ['99', /There is no message 99/],
    ] as const) {
      const { code, stderr } = await runCli(['outbox', 'cancel', id, '--vault', vault]);
      assert.equal(code, 2);
      assert.match(stderr, message);
    }
  });
});
