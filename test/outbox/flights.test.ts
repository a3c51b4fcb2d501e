import assert from 'node:assert/strict';
import { mock } from 'node:test';
import type { Chain, Inclusion } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { FlightLog } from '../../src/outbox/flight-log.ts';
import { Flights } from '../../src/outbox/flights.ts';
import type { Change } from '../../src/outbox/outbox-change.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { RefusedExtrinsics } from '../../src/outbox/refused-extrinsics.ts';
import type { ChainWork } from '../../src/outbox/work.ts';
import { WorkerSequencer } from '../../src/outbox/worker-sequencer.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';

type FollowOptions = NonNullable<Parameters<Chain['follow']>[1]>;

const hashOf = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;

describe('outbox: extrinsics under way', () => {
  let told: string[];
  let include: NonNullable<FollowOptions['onInclusion']>;
  let stopping: AbortController;
  let flights: Flights;

  beforeEach(() => {
    told = [];
    stopping = new AbortController();
    const store = new OutboxStore(openMemoryStore());
    const chain = {
      follow: (_: unknown, { onInclusion = () => undefined, signal }: FollowOptions) => {
        include = onInclusion;
        return new Promise((_resolve, reject) => {
          signal?.addEventListener('abort', () => {
            reject(new RelayError('aborted'));
          });
        });
      },
    } as unknown as Chain;
    const tell = (what: string) => () => void told.push(what);
    const work = {
      ...{ store, chain, vault: createMemoryVault(), signal: stopping.signal },
      ...{ wake: () => undefined, released: () => undefined },
      ...{ unstuck: tell('unstuck'), stuck: tell('stuck'), setback: tell('setback') },
      save: (change: Change) => {
        told.push('written');
        return store.commit(change);
      },
    } as unknown as ChainWork;
    const log = new FlightLog(work, new WorkerSequencer(work), new RefusedExtrinsics(work, () => undefined));
    flights = new Flights(work, log, () => undefined);
    mock.timers.enable({ apis: ['setTimeout'] });
  });
  afterEach(async () => {
    stopping.abort();
    await flights.stop();
    mock.timers.reset();
  });

  const track = () =>
    flights.track({
      ...{ id: 1n, as: 'worker', members: [] },
      extrinsic: { bytes: Uint8Array.of(1), hash: hashOf(1), account: hashOf(2), nonce: 0, anchor: 1, death: 65 },
    });
  const badSequence: Inclusion = {
    failure: new RelayError('dispatch-failed', { details: { pallet: 'PhalaMq', error: 'BadSequence' } }),
    ...{ extrinsicHash: hashOf(1), blockHash: hashOf(3), blockNumber: 2 },
  };

  it('hold things up once they have been in no block for a minute', () => {
    track();
    mock.timers.tick(59_999);
    assert.deepEqual(told, []);
    mock.timers.tick(1);
    assert.deepEqual(told, ['stuck']);
  });

  it('hold nothing up, and have nothing written of them, once they are let go, whatever blocks say of them then', async () => {
    const tracked = track();
    flights.follow(tracked);
    include(badSequence);
    // A reorg takes that block while it is written.
    include(undefined);
    await tracked.writing;
    mock.timers.tick(60_000);
    assert.deepEqual([flights.has(tracked), told], [false, ['written']]);
  });

  it('are the very ones that are followed, not others that have their id later', () => {
    const former = track();
    flights.untrack(former);
    const later = track();
    assert.deepEqual([flights.has(former), flights.has(later)], [false, true]);
  });
});
