import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import type { ChangeSource } from '../../src/worker-state/change-source.ts';
import { WorkerFollower } from '../../src/worker-state/worker-follower.ts';
import { WorkerTable } from '../../src/worker-state/worker-table.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { headOf } from './support.ts';

const genesisHash: Hex = `0x${'01'.repeat(32)}`;
const { signal } = new AbortController();

describe('blocks that are passed over by what endpoints say of states', () => {
  let clock: ManualClock;
  let follower: WorkerFollower;
  let kept: number;
  let tried: number[];
  beforeEach(async () => {
    clock = new ManualClock();
    kept = 1;
    tried = [];
    const source: ChangeSource = {
      strategy: 'proofs',
      stats: { reconciles: 0, missed: 0 },
      snapshot: () => Promise.resolve(true),
      changesAt: ({ number, hash }) => {
        tried.push(number);
        return number >= kept
          ? Promise.resolve({ workers: [], accept: () => undefined })
          : Promise.reject(new RelayError('state-discarded', { details: { block: hash, reason: 'a test' } }));
      },
      changesBack: () => Promise.reject(new Error('not here')),
      memory: () => new Uint8Array(0),
      remembered: undefined,
      recall: () => true,
    };
    follower = new WorkerFollower({
      ...{ table: new WorkerTable(genesisHash, () => []), source, epochs: undefined, clock },
      // The lie.
      firstWithState: () => Promise.resolve(9_000_000),
      logger: { debug: () => undefined, warn: () => undefined },
    });
    await follower.snapshot(headOf(1), () => Promise.reject(new Error('not pruned')), signal);
  });
  const follow = async (first: number, last: number): Promise<void> => {
    for (let number = first; number <= last; number++) await follower.onHead(headOf(number), signal);
  };

  it('are read again after ten seconds, so that a lie about them does not last', async () => {
    kept = 3;
    await follow(2, 5);
    assert.deepEqual([follower.at.block, follower.stats.passedOver], [1, 4]);
    clock.advance(10_000);
    await follow(6, 6);
    assert.equal(follower.at.block, 6);
    await follow(7, 9);
    assert.deepEqual([follower.at.block, follower.stats.passedOver], [9, 4]);
  });

  it('are not asked for one by one meanwhile', async () => {
    kept = 1_000;
    await follow(2, 500);
    clock.advance(10_000);
    await follow(501, 900);
    assert.deepEqual(tried, [2, 501]);
  });
});
