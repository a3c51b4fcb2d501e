import assert from 'node:assert/strict';
import { Subject } from 'rxjs';
import { systemClock } from '../../../src/chain/index.ts';
import type { BlockId, Head, HeadEvent } from '../../../src/chain/head/head.ts';
import { listenTo } from '../../../src/chain/head/listening.ts';
import type { NewestHead } from '../../../src/chain/head/newest-heads.ts';
import { walkFinalized } from '../../../src/chain/head/walk-finalized.ts';
import { silentLogger } from '../../../src/chain/logger.ts';
import { ForkWitness } from '../../../src/chain/quorum/fork-witness.ts';
import { LagPatience } from '../../../src/chain/quorum/lag-patience.ts';
import type { Session } from '../../../src/chain/rpc/connection.ts';
import { ConnectionLost } from '../../../src/chain/rpc/rpc-error.ts';
import type { Hex } from '../../../src/codec/index.ts';
import { RelayError } from '../../../src/errors/index.ts';
import { until } from '../../support/until.ts';
import { isChain, numbers } from '../support.ts';

/** Of a block of the chain (branch 0), or of one that somebody made up. */
const hashOf = (number: number, branch = 0): Hex => `0x${branch}${String(number).padStart(63, '0')}`;
const blockOf = (number: number, branch = 0, parentBranch = branch): Head => ({
  number,
  hash: hashOf(number, branch),
  parentHash: hashOf(number - 1, parentBranch),
  stateRoot: hashOf(number),
});

/** What an endpoint answers. */
interface Node {
  finalized: number;
  /** How far it knows the chain's headers. */
  known: number;
  /** The block from which on it has a branch of its own. */
  ownFrom?: number;
  isSilent?: (about: number) => boolean;
}

describe('finalized heads, by the word of one of several endpoints', () => {
  const walked = (
    nodes: Readonly<Record<string, Node>>,
    segments: (first: number, trusted: BlockId) => AsyncIterable<{ heads(): Iterable<Head> }>,
  ) => {
    const newest$ = new Subject<NewestHead>();
    const events: HeadEvent[] = [];
    const faults: [url: string, code: string][] = [];
    const node = (url: string): Node => nodes[url] ?? assert.fail(`${url} is asked`);
    const speaking = (url: string, about: number): Node => {
      if (node(url).isSilent?.(about) === true) throw new ConnectionLost(url, 'timeout');
      return node(url);
    };
    const branchOf = ({ ownFrom = Infinity }: Node, number: number): number => (number >= ownFrom ? 1 : 0);
    const asked = {
      newest: async (url: string): Promise<BlockId> => {
        const { finalized } = speaking(url, Infinity);
        return Promise.resolve(blockOf(finalized, branchOf(node(url), finalized)));
      },
      hashAt: async (url: string, number: number): Promise<Hex | undefined> => {
        const said = speaking(url, number);
        return Promise.resolve(number <= said.finalized ? hashOf(number, branchOf(said, number)) : undefined);
      },
    };
    const ask = async (url: string, method: string, [hash]: readonly unknown[] = []): Promise<unknown> => {
      if (method === 'system_health') return { isSyncing: false, peers: 3, shouldHavePeers: true };
      const number = Number(String(hash).slice(3));
      const said = speaking(url, number);
      return Promise.resolve(number <= said.known && hash === hashOf(number, branchOf(said, number)) ? {} : null);
    };
    const connection = {
      options: {
        ...{ endpoints: Object.keys(nodes), genesisHash: undefined, timeoutMs: 1_000, backoff: {}, quorum: 2 },
        ...{ clock: systemClock, logger: silentLogger },
      },
      hasLeft: () => false,
      leave: (url: string, { code }: RelayError) => void faults.push([url, code]),
      doubt: (url: string, { code }: RelayError) => void faults.push([url, code]),
      distrust: () => true,
      session: () => Promise.resolve({ id: 2 } as Session),
    };
    const reader = {
      byHash: async (hash: Hex): Promise<Head> => Promise.resolve(blockOf(Number(hash.slice(3)), Number(hash[2]))),
    };
    const parts = {
      ...{ connection, headers: { segments }, reader, elected: undefined },
      ...{ witness: new ForkWitness(connection, asked), patience: new LagPatience({ ask }, asked, silentLogger) },
    };
    const stop = new AbortController();
    const ended = (async () => {
      const listen = () => listenTo(newest$, stop.signal, undefined);
      for await (const event of walkFinalized(parts, listen, { from: undefined, after: undefined })) events.push(event);
    })();
    const failures: unknown[] = [];
    ended.catch((error: unknown) => failures.push(error));
    const told = async (url: string, head: Head): Promise<void> => {
      newest$.next({ head, session: 1, url });
      // What the walk makes of it needs no timer.
      await new Promise((resolve) => setImmediate(resolve));
    };
    return {
      ...{ events, faults, failures, told },
      retracted: () => events.filter(({ type }) => type === 'retracted').map(({ head }) => head.number),
      stop: async () => {
        stop.abort(new RelayError('chain-stopped'));
        await ended.catch(() => undefined);
      },
    };
  };
  async function* linked(first: number, { number }: BlockId): AsyncGenerator<{ heads(): Iterable<Head> }> {
    const count = number - first + 1;
    yield await Promise.resolve({ heads: () => Array.from({ length: count }, (_, i) => blockOf(first + i)) });
  }

  it('are taken back as far as others say that they have not finalized them, not as far as one does not answer', async () => {
    for (const count of [100, 3_000]) {
      const nodes: Record<'A' | 'B', Node> = {
        A: { finalized: 0, known: 0, isSilent: () => true },
        B: { finalized: count - 20, known: count - 5 },
      };
      let silences = 0;
      const walk = walked(nodes, linked);
      await walk.told('A', blockOf(1));
      await walk.told('A', blockOf(count));
      await until(() => walk.events.length === count);
      // Of what is remembered the oldest block is what is asked for first.
      nodes.B.isSilent = (number) => number < nodes.B.finalized && silences++ === 0;
      while (walk.retracted().length === 0) {
        nodes.B.finalized += 1;
        assert.ok(nodes.B.finalized < count, 'it stands still');
        await walk.told('B', blockOf(nodes.B.finalized));
        assert.deepEqual(walk.failures, []);
      }
      assert.equal(silences > 0, true);
      assert.equal(walk.retracted().at(-1), nodes.B.finalized + 1);
      assert.ok(isChain(walk.events), numbers(walk.events));
      await walk.stop();
    }
  });

  it('are taken back block by block where the others answer of the newest ones only, until none is left that they lack', async () => {
    const nodes: Record<'A' | 'B', Node> = {
      A: { finalized: 0, known: 0, isSilent: () => true },
      B: { finalized: 10, known: 10 },
    };
    const walk = walked(nodes, linked);
    for (const number of [100, 101, 102]) await walk.told('A', blockOf(number));
    nodes.B.isSilent = (number) => number === 100 && nodes.B.finalized < 30;
    for (; nodes.B.finalized < 60; nodes.B.finalized++) await walk.told('B', blockOf(nodes.B.finalized));
    assert.deepEqual(walk.retracted(), [102, 101, 100]);
    await walk.stop();
  });

  it('of an honest node that is away are not taken back by one that stands still, while another one catches up', async () => {
    const nodes: Record<'A' | 'B' | 'C', Node> = {
      A: { finalized: 1_000, known: 1_000, isSilent: () => true },
      B: { finalized: 500, known: 500 },
      C: { finalized: 980, known: 1_000 },
    };
    const walk = walked(nodes, linked);
    await walk.told('A', blockOf(980));
    await walk.told('A', blockOf(1_000));
    for (nodes.C.finalized = 985; nodes.C.finalized < 995; nodes.C.finalized++)
      await walk.told('C', blockOf(nodes.C.finalized));
    assert.deepEqual([walk.retracted(), walk.faults], [[], []]);
    // Though B goes on too, C knows them.
    for (; nodes.B.finalized < 520; nodes.B.finalized++) await walk.told('C', blockOf(995));
    assert.deepEqual([walk.retracted(), walk.faults], [[], []]);
    await walk.stop();
  });

  it('are those of who told of them last, also where their reading broke off: it alone is named where others have other ones', async () => {
    const nodes: Record<'A' | 'B' | 'C' | 'D', Node> = {
      A: { finalized: 10, known: 10 },
      B: { finalized: 100, known: 100, ownFrom: 11 },
      C: { finalized: 30, known: 30 },
      D: { finalized: 30, known: 30 },
    };
    const walk = walked(nodes, async function* (first, { number, hash }) {
      const branch = Number(hash[2]);
      const heads = (from: number, to: number): Head[] =>
        Array.from({ length: to - from + 1 }, (_, i) => blockOf(from + i, branch, from + i === 11 ? 0 : branch));
      yield await Promise.resolve({ heads: () => heads(first, branch === 0 ? number : 20) });
      if (branch === 0) return;
      throw new RelayError('state-discarded', { details: { block: hash, reason: 'no longer there' } });
    });
    await walk.told('A', blockOf(10));
    await walk.told('B', blockOf(50, 1));
    assert.equal(walk.events.at(-1)?.head.hash, hashOf(20, 1));
    await walk.told('C', blockOf(30));
    assert.deepEqual(walk.faults, [['B', 'node-lies']]);
    await walk.stop();
  });
});
