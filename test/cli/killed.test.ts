import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { until } from '../support/until.ts';
import { makeVault, register } from './entity.ts';
import { RunningCli, runCli } from './run-cli.ts';

/** Messages: more than are printed before a kill arrives. */
const backlog = 1_000;
/** Of what was printed last, where many are handed out at a time (docs/testing.md). */
const mayComeAgain = 16;

const counting = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

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
    await makeVault(vault('a'));
    to = await makeVault(vault('b'));
    await register(node.ws, vault('b'));
  });

  after(async () => {
    await node.stop();
    await folder.remove();
  });

  const listen = (...args: readonly string[]): RunningCli =>
    new RunningCli(['listen', '--vault', vault('b'), '--ws', node.ws, ...args]);
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
    // The last send posts first what earlier ones had queued when they were killed.
    const queued = (await runCli(['outbox', 'ls', '--vault', vault('a'), '--json'])).lines;
    assert.ok(queued.length >= completed.length && queued.every(({ state }) => state !== 'failed'));
    const ids = (): unknown[] => runs.flatMap(({ lines }) => lines.map(({ messageId }) => messageId));
    await until(() => queued.every(({ messageId }) => messageId !== undefined && ids().includes(messageId)));
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

  it('print a backlog in order; where listen is killed in it the last 16 may come again, and nothing before', async () => {
    const lines = Array.from({ length: backlog }, (_, n) => `backlog ${n}\n`);
    const from = ['--vault', vault('a'), '--suri', '//Alice', '--as', 'account', '--via', 'chain'];
    const sent = await runCli(['send', '--ws', node.ws, ...from, '--to', to, '--lines', '-'], {
      input: lines.join(''),
    });
    assert.equal(sent.code, 0, sent.stderr);
    const numbersOf = (run: RunningCli): number[] =>
      textsOf(run)
        .filter((text) => text.startsWith('backlog'))
        .map((text) => Number(text.split(' ')[1]));
    let printed = 0;
    let cut = 0;
    for (const isKilled of [true, true, true, false]) {
      await using run = listen('--from', '1');
      await run.line(({ text }) => String(text).startsWith('backlog'));
      if (isKilled) await run.end('SIGKILL');
      else await until(() => numbersOf(run).at(-1) === backlog - 1);
      const numbers = numbersOf(run);
      const [first = 0] = numbers;
      assert.ok(first <= printed && first >= printed - mayComeAgain, `${printed} were printed, then from ${first} on`);
      assert.deepEqual(numbers, counting(first, first + numbers.length));
      printed = first + numbers.length;
      if (printed < backlog) cut++;
      if (printed === backlog) break;
    }
    assert.ok(cut > 0, 'it was killed in the midst');
    assert.equal(printed, backlog);
  }).timeout(180_000);
}
