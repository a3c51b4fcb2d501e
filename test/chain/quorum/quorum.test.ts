import assert from 'node:assert/strict';
import { systemClock } from '../../../src/chain/index.ts';
import { hashHeader } from '../../../src/chain/head/header.ts';
import { silentLogger } from '../../../src/chain/logger.ts';
import { EndpointBlocks } from '../../../src/chain/quorum/endpoint-blocks.ts';
import { abstention, Quorum } from '../../../src/chain/quorum/quorum.ts';
import { Connection } from '../../../src/chain/rpc/connection.ts';
import { NodeFaults } from '../../../src/chain/rpc/node-faults.ts';
import { OtherEndpoints } from '../../../src/chain/rpc/other-endpoints.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import type { Hex } from '../../../src/codec/index.ts';
import { RelayError } from '../../../src/errors/index.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { startRpcProxy, type RpcProxy } from '../../support/rpc-proxy.ts';
import { until } from '../../support/until.ts';
import { withCode } from '../support.ts';

const hash: Hex = `0x${'12'.repeat(32)}`;

describe('an election among endpoints', () => {
  let dev: DevChain;
  let proxies: RpcProxy[];
  let connection: Connection;
  let quorum: Quorum;
  let urls: string[];
  before(async () => {
    dev = await startDevChain();
    proxies = [];
    for (let i = 0; i < 4; i++) proxies.push(await startRpcProxy(dev.ws));
    urls = proxies.map(({ ws }) => ws);
    connection = await Connection.open(
      {
        ...{ endpoints: urls, genesisHash: undefined, timeoutMs: 10_000, quorum: 2 },
        ...{ backoff: { minMs: 10 }, clock: systemClock, logger: silentLogger },
      },
      undefined,
    );
    const blocks = new EndpointBlocks(connection, new OtherEndpoints(connection), hashHeader);
    quorum = new Quorum({ connection, blocks, clock: systemClock, size: 2 });
  });
  after(async () => {
    connection.stop();
    for (const proxy of proxies) await proxy[Symbol.asyncDispose]();
    await dev.stop();
  });

  /** By place; undefined: it never says anything. */
  const elect = (...votes: readonly (Hex | undefined)[]): Promise<Hex> =>
    quorum.elect({
      ...{ about: 'a test', block: 7 },
      ask: (url) => {
        const vote = votes[urls.indexOf(url)];
        return vote === undefined ? Promise.reject(new Error('nonsense')) : Promise.resolve(vote);
      },
    });

  it('is over where the others have not got what is asked for, though one never says anything sensible', async () => {
    await assert.rejects(elect(abstention, abstention, undefined, abstention), withCode('state-discarded'));
    await assert.rejects(elect(undefined, abstention, abstention, abstention), withCode('state-discarded'));
  });

  it('is won by two, whoever says nothing', async () => {
    assert.equal(await elect(undefined, hash, abstention, hash), hash);
    assert.equal(await elect(undefined, undefined, hash, hash), hash);
  });

  it('is open while one that is out could make another a winner', async () => {
    const open = elect(hash, abstention, undefined, abstention);
    const later = new Promise((resolve) => setTimeout(resolve, 300, 'open'));
    assert.equal(await Promise.race([open.catch(() => 'over'), later]), 'open');
    connection.stop();
    await assert.rejects(open, withCode('chain-stopped'));
  });
});

describe('the newest block that endpoints agree on', () => {
  it('is not put off by one that claims to be far ahead and never votes, while an honest one is some seconds late', async () => {
    const [liar, first, late] = ['ws://liar.example', 'ws://a.example', 'ws://late.example'] as const;
    const begun = 1_700_000_000_000;
    const lateMs = 3_000;
    const clock = new ManualClock(begun);
    const isThere = (): boolean => clock.now() - begun >= lateMs;
    const warnings: string[] = [];
    const logger = { debug: () => undefined, warn: (_: object, text: string) => void warnings.push(text) };
    const connection = {
      options: { endpoints: [liar, first, late], backoff: {}, logger, clock },
      ...{ stopped: new AbortController().signal, faults: new NodeFaults(() => 0), hasLeft: () => false },
    } as unknown as Connection;
    const blocks = {
      newest: (url: string) =>
        Promise.resolve({ number: url === liar ? 70_000 : url === first || isThere() ? 8 : 7, hash }),
      hashAt: (url: string) => Promise.resolve(url === first || (url === late && isThere()) ? hash : undefined),
    } as unknown as EndpointBlocks;
    const quorum = new Quorum({ connection, blocks, clock, size: 2 });
    let isOver = false;
    const agreeing = quorum.newest(8).finally(() => (isOver = true));
    const passTime = async (): Promise<boolean> => {
      for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
      if (!isOver) clock.advance(100);
      return isOver;
    };
    await until(passTime);
    assert.deepEqual(await agreeing, { number: 8, hash });
    const tookMs = clock.now() - begun;
    assert.ok(tookMs < lateMs + 1_000, `${tookMs} ms of the clock`);
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(warnings, []);
  });
});

describe('an election during which an endpoint is left', () => {
  const lie: Hex = `0x${'ee'.repeat(32)}`;
  const other: Hex = `0x${'34'.repeat(32)}`;
  const urls = ['ws://a.example', 'ws://b.example', 'ws://c.example', 'ws://d.example'] as const;
  const [liar, a, b, c] = urls;

  /** What each endpoint says is said when a test lets it. */
  function hold(endpoints: readonly string[]) {
    const left = new Set<string>();
    const faults = new NodeFaults(() => 0);
    const leave = (url: string): void => {
      left.add(url);
      faults.note(url, new RelayError('node-lies', { details: { url, block: 7, reason: 'a test' } }), true);
    };
    const connection = {
      ...{ options: { endpoints, backoff: {}, logger: silentLogger }, stopped: new AbortController().signal },
      ...{ faults, leave, hasLeft: (url: string) => left.has(url) },
    } as unknown as Connection;
    const blocks = new EndpointBlocks(connection, new OtherEndpoints(connection), hashHeader);
    const quorum = new Quorum({ connection, blocks, clock: systemClock, size: 2 });
    const begin = () => {
      const votes = new Map(endpoints.map((url) => [url, withResolvers<Hex>()]));
      const result = quorum.elect({ about: 'a test', block: 7, ask: (url) => votes.get(url)!.promise });
      const vote = async (url: string, vote: Hex): Promise<void> => {
        votes.get(url)!.resolve(vote);
        await turn();
      };
      return { result, vote };
    };
    return { leave, begin, left };
  }
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

  it('is won by those that are there, though the one that was left had voted', async () => {
    const { leave, begin } = hold([liar, a, b]);
    const { result, vote } = begin();
    await vote(liar, lie);
    leave(liar);
    await vote(a, hash);
    await vote(b, hash);
    assert.equal(await result, hash);
  });

  it('is won by both of two that are held side by side, where one liar of three is caught in the first', async () => {
    const { begin, left } = hold([liar, a, b]);
    const [one, two] = [begin(), begin()];
    await two.vote(liar, lie);
    await one.vote(liar, lie);
    await one.vote(a, other);
    await one.vote(b, other);
    assert.equal(await one.result, other);
    assert.deepEqual([...left], [liar]);
    await two.vote(a, hash);
    await two.vote(b, hash);
    assert.equal(await two.result, hash);
  });

  it('is won by nobody with the help of the vote of the one that was left', async () => {
    const { leave, begin, left } = hold([liar, a, b, c]);
    const { result, vote } = begin();
    await vote(liar, lie);
    leave(liar);
    await vote(a, lie);
    await vote(b, hash);
    await vote(c, hash);
    assert.equal(await result, hash);
    assert.deepEqual([...left], [liar, a]);
  });

  it('is over at once where that leaves too few votes', async () => {
    const { leave, begin } = hold([liar, a, b]);
    const { result, vote } = begin();
    await vote(liar, hash);
    await vote(a, abstention);
    leave(liar);
    await assert.rejects(result, withCode('state-discarded'));
  });
});

function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined;
  const promise = new Promise<T>((onResolve) => {
    resolve = onResolve;
  });
  return { promise, resolve };
}
