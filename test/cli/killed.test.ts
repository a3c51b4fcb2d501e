import assert from 'node:assert/strict';
import { join } from 'node:path';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { temporaryFolder } from '../support/entities.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
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

/** Where a `send` is killed. */
interface Death {
  /** Its first request of this kind. undefined: it has just been started. */
  readonly at?: (method: string, params: readonly unknown[]) => boolean;
  /** The node gets that request. Default false. */
  readonly isPassed?: boolean;
  /** States of what is in the queue by it. */
  readonly leaves: readonly string[];
}

const atStart: Death = { leaves: [] };
/** What an extrinsic weighs is asked before anything is sealed. */
const queued: Death = {
  at: (method, [name]) => method === 'state_call' && name === 'TransactionPaymentApi_query_info',
  leaves: ['queued'],
};
const onItsWay: Death = { at: (method) => method.startsWith('author_submit'), leaves: ['submitted'] };
const taken: Death = { ...onItsWay, isPassed: true };

/** undefined: it ends by itself, as one does behind each that leaves something to be sent. */
const sends: readonly (Death | undefined)[] = [
  ...[undefined, atStart, queued, undefined, onItsWay, undefined, taken, undefined],
];
/** Before which of them `listen` is killed and started again. */
const listenDiesBefore: ReadonlySet<number> = new Set([3, 6]);

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
  let over: AbortController;
  const runs: RunningCli[] = [];
  const vault = (name: string): string => join(folder.path, name);

  before(async () => {
    folder = await temporaryFolder();
    node = await start();
    await makeVault(vault('a'));
    to = await makeVault(vault('b'));
    await register(node.ws, vault('b'));
  });

  beforeEach(() => {
    over = new AbortController();
  });

  // Whatever hangs.
  afterEach(async () => {
    over.abort();
    for (const run of runs.splice(0)) await run.end('SIGKILL');
  });

  after(async () => {
    await node.stop();
    await folder.remove();
  });

  const listen = (...args: readonly string[]): RunningCli => {
    const run = new RunningCli(['listen', '--vault', vault('b'), '--ws', node.ws, ...args]);
    runs.push(run);
    return run;
  };
  const toEnd = (args: readonly string[], input = ''): ReturnType<typeof runCli> =>
    runCli(args, { input, signal: over.signal });
  const textsOf = ({ lines }: RunningCli): string[] =>
    lines.filter(({ event }) => event === 'message').map(({ text }) => String(text));
  const sendArgs = (text: string, ws = node.ws): string[] => {
    const from = ['send', '--ws', ws, '--vault', vault('a'), '--suri', '//Alice', '--via', 'chain'];
    return [...from, '--to', to, text];
  };
  const states = async (): Promise<unknown[]> => {
    const { lines } = await toEnd(['outbox', 'ls', '--vault', vault('a'), '--json']);
    return lines.map(({ state }) => state);
  };

  /** From the request at which it is killed on it hears nothing more. */
  const sendAndKill = async (text: string, { at, isPassed = false }: Death): Promise<void> => {
    await using proxy = await startRpcProxy(node.ws);
    const seen = { asked: false, answered: false, end: false };
    proxy.hold = (method, params) => {
      seen.asked ||= at?.(method, params) === true;
      return seen.asked && !isPassed ? new Promise(() => undefined) : undefined;
    };
    proxy.alter = (method, params, result) => {
      seen.answered ||= at?.(method, params) === true;
      return result;
    };
    proxy.fault = () => (seen.asked ? { kind: 'swallow' } : undefined);
    const sending = new RunningCli(sendArgs(text, proxy.ws));
    runs.push(sending);
    void sending.exit.then(() => (seen.end = true));
    await until(() => {
      assert.ok(!seen.end, `it ended by itself: ${sending.log}`);
      return at === undefined || (isPassed ? seen.answered : seen.asked);
    });
    assert.equal(await sending.end('SIGKILL'), null);
  };

  it('print each message once and in order, and lose none that was queued', async () => {
    const listening = [listen()];
    await listening[0]?.line(({ event }) => event === 'ready');
    const texts = sends.map((_, i) => `message ${i}`);
    for (const [i, death] of sends.entries()) {
      if (listenDiesBefore.has(i)) {
        await listening.at(-1)?.end('SIGKILL');
        listening.push(listen());
      }
      const before = await states();
      if (death !== undefined) {
        await sendAndKill(texts[i]!, death);
        assert.deepEqual((await states()).slice(before.length), death.leaves);
      } else {
        // It posts first what an earlier one had queued when it was killed.
        const { code, stderr } = await toEnd(sendArgs(texts[i]!));
        assert.equal(code, 0, stderr);
      }
    }
    await listening.at(-1)?.line(({ text }) => text === texts.at(-1));
    assert.equal(await listening.at(-1)?.end('SIGTERM'), 0);

    // A message is acknowledged before the next one is printed: only the last line of a killed run may come again.
    let last: string | undefined;
    const once = listening.flatMap((run) => {
      const printed = textsOf(run);
      const again = last !== undefined && printed[0] === last ? 1 : 0;
      last = printed.at(-1) ?? last;
      return printed.slice(again);
    });
    assert.deepEqual(
      once,
      texts.filter((_, i) => sends[i] !== atStart),
    );
  }).timeout(180_000);

  it('print a backlog in order; where listen is killed in it the last 16 may come again, and nothing before', async () => {
    const lines = Array.from({ length: backlog }, (_, n) => `backlog ${n}\n`);
    const from = ['--vault', vault('a'), '--suri', '//Alice', '--as', 'account', '--via', 'chain'];
    const sent = await toEnd(['send', '--ws', node.ws, ...from, '--to', to, '--lines', '-'], lines.join(''));
    assert.equal(sent.code, 0, sent.stderr);
    const numbersOf = (run: RunningCli): number[] =>
      textsOf(run)
        .filter((text) => text.startsWith('backlog'))
        .map((text) => Number(text.split(' ')[1]));
    let printed = 0;
    let cut = 0;
    for (const isKilled of [true, true, true, false]) {
      const run = listen('--from', '1');
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
