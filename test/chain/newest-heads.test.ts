import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { Subject } from 'rxjs';
import { hashHeader } from '../../src/chain/head/header.ts';
import { newestHeads } from '../../src/chain/head/newest-heads.ts';
import type { Connection, Session } from '../../src/chain/rpc/connection.ts';
import { EndpointHealth } from '../../src/chain/rpc/endpoint-health.ts';
import { inventBranch } from '../support/invented-branch.ts';
import { ManualClock } from '../support/manual-clock.ts';

const [liar, honest] = ['ws://a.example', 'ws://b.example'];
const silenceMs = 6_000;

describe('the watchdog over heads', () => {
  let now: number;
  let session$: Subject<Session>;
  let health: EndpointHealth;
  let left: Set<string>;
  /** Requests, and why sessions were replaced. */
  let asked: string[];
  let replaced: string[];
  /** What others say is their newest. */
  let furthest: number;
  let stop: () => void;
  beforeEach(() => {
    now = 0;
    mock.timers.enable({ apis: ['setTimeout'] });
    mock.method(performance, 'now', () => now);
    session$ = new Subject();
    health = new EndpointHealth([liar, honest], () => now);
    left = new Set();
    asked = [];
    replaced = [];
    furthest = 0;
    const connection = {
      ...{ session$, health, options: { endpoints: [liar, honest] } },
      ...{ hasLeft: (url: string) => left.has(url), noteFinalized: () => undefined },
      replace: (_: Session, reason: string) => void replaced.push(reason),
    } as unknown as Connection;
    const others = {
      endpoints: { furthestBest: () => Promise.resolve(furthest) },
      finalized: { furthest: () => Promise.resolve(furthest) },
    };
    const parts = { connection, ...others, clock: new ManualClock(), hashOf: hashHeader, silenceMs };
    const heads = newestHeads(parts, 'best').subscribe();
    stop = () => heads.unsubscribe();
  });
  afterEach(() => {
    stop();
    mock.reset();
    mock.timers.reset();
  });

  const headerOf = (number: number) => inventBranch({ number: number - 1, hash: `0x${'12'.repeat(32)}` }).next();
  /** What an endpoint tells of from now on, each four seconds later than the one before. */
  async function use(url: string, ...numbers: readonly number[]): Promise<void> {
    let tell: (header: unknown) => void = () => undefined;
    let newest = -1;
    const socket = {
      url,
      subscribe: (_: string, __: unknown, listener: typeof tell) => {
        tell = listener;
        return Promise.resolve(() => undefined);
      },
      request: (method: string) => {
        asked.push(`${url} ${method}`);
        return Promise.resolve(headerOf(newest));
      },
    };
    session$.next({ id: asked.length, socket } as unknown as Session);
    for (newest of numbers) {
      tell(headerOf(newest));
      now += 4_000;
      mock.timers.tick(4_000);
      for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    }
  }

  for (const [what, found] of [
    ['was left', () => left.add(liar)],
    ['does not do its part', () => health.distrusted(liar)],
  ] as const)
    it(`does not ask who tells of heads all the time, though one that ${what} told of a higher one`, async () => {
      await use(liar, 1_000_000);
      found();
      await use(honest, 7, 8, 9, 10, 11, 12);
      assert.deepEqual([asked, replaced], [[], []]);
    });

  it('asks who tells of heads that another one told of before, and takes one that is further', async () => {
    await use(liar, 100);
    await use(honest, 7, 8);
    assert.deepEqual([asked, replaced], [[`${honest} chain_getHeader`], []]);
    furthest = 101;
    await use(honest, 9, 10);
    assert.deepEqual(replaced, ['it stands at block 10, another at 101']);
  });

  it('asks who falls silent', async () => {
    await use(honest, 7, 7, 7);
    assert.deepEqual(asked, [`${honest} chain_getHeader`]);
  });
});
