import assert from 'node:assert/strict';
import { idOf } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { ChangeSource } from '../../src/worker-state/change-source.ts';
import { EpochStore } from '../../src/worker-state/epoch-store.ts';
import type { WorkerChange } from '../../src/worker-state/index.ts';
import { WorkerFollower } from '../../src/worker-state/worker-follower.ts';
import { WorkerTable } from '../../src/worker-state/worker-table.ts';
import { record, recordOf, testKey, testWorker, type TestWorker } from '../chain/support.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { replacing } from '../support/replacing.ts';
import { headOf, rowOf } from './support.ts';

const genesisHash: Hex = `0x${'01'.repeat(32)}`;
const worker = testWorker(1);
const { signal } = new AbortController();

/** A process that took its snapshot: each worker has a record that does not count, and one that does. */
async function started(
  store: TransactionalStore,
  workers: readonly TestWorker[] = [worker],
): Promise<{ follower: WorkerFollower; verifications: () => number }> {
  const recordsOf = (each: TestWorker): string[] => ['ecdh:junk', recordOf(each, genesisHash, 1, testKey(1))];
  const source: ChangeSource = {
    strategy: 'proofs',
    stats: { reconciles: 0, missed: 0 },
    snapshot: (_, rows) => {
      for (const each of workers) {
        const row = rowOf(each, { endpoints: recordsOf(each) });
        rows.add({ bytes: row, ends: Uint32Array.of(row.length) });
      }
      return Promise.resolve(true);
    },
    changesAt: () => {
      const row = rowOf(worker, { endpoints: [...recordsOf(worker), 'http://a'] });
      return Promise.resolve({ workers: [[idOf(row), row]], accept: () => undefined });
    },
    changesBack: () => Promise.reject(new Error('not here')),
    memory: () => new Uint8Array(0),
    remembered: undefined,
    recall: () => true,
  };
  let verified = 0;
  const table = new WorkerTable(genesisHash, (claims) => {
    verified += claims.length;
    return claims.map(() => true);
  });
  const follower = new WorkerFollower({
    table,
    source,
    epochs: new EpochStore(store, genesisHash),
    firstWithState: ({ number }) => Promise.resolve(number + 1),
    clock: new ManualClock(),
    logger: { debug: () => undefined, warn: () => undefined },
  });
  await follower.snapshot(headOf(1), () => Promise.reject(new Error('not pruned')), signal);
  return { follower, verifications: () => verified };
}

describe('what is wrong with a worker of the snapshot', () => {
  const typesOf = (changes: readonly WorkerChange[]): string[] => changes.map(({ type }) => type).sort();
  const once = ['changed', 'invalid-record'];

  it('is told once where a block changes it before it was told', async () => {
    const { follower } = await started(openMemoryStore());
    using changes = record(follower.changes$);
    await follower.onHead(headOf(2), signal);
    await follower.verifyAll(signal);
    assert.deepEqual(typesOf(changes.values), once);
  });

  it('is told once where a block changes it afterwards', async () => {
    const { follower } = await started(openMemoryStore());
    using changes = record(follower.changes$);
    await follower.verifyAll(signal);
    await follower.onHead(headOf(2), signal);
    assert.deepEqual(typesOf(changes.values), once);
  });

  it('is told once where its turn comes while the epochs of a block are stored', async () => {
    const store = openMemoryStore();
    let verifying: Promise<void> | undefined;
    const commit: TransactionalStore['commit'] = async (...args) => {
      if (verifying === undefined) await (verifying = follower.verifyAll(signal));
      return store.commit(...args);
    };
    const { follower } = await started(replacing(store, { commit }));
    using changes = record(follower.changes$);
    await follower.onHead(headOf(2), signal);
    assert.notEqual(verifying, undefined);
    await verifying;
    assert.deepEqual(typesOf(changes.values), once);
  });
});

describe('proven epochs of a snapshot', () => {
  it('are stored while others are still to be verified, all of them in the end', async () => {
    const identityOf = (n: number): Hex => `0x${n.toString(16).padStart(4, '0').padEnd(64, '0')}`;
    const workers = Array.from({ length: 2_500 }, (_, n) => ({ ...worker, identity: identityOf(n) }));
    const store = openMemoryStore();
    const verified: number[] = [];
    const commit: TransactionalStore['commit'] = (...args) => {
      verified.push(verifications());
      return store.commit(...args);
    };
    const { follower, verifications } = await started(replacing(store, { commit }), workers);
    await follower.verifyAll(signal);
    assert.ok((verified[0] ?? 0) < workers.length, String(verified));
    assert.equal(verified.at(-1), workers.length);
    const epochs = new EpochStore(store, genesisHash);
    for (const { identity } of workers) assert.equal((await epochs.keysOf(identity))[0]?.epoch, 1);
  });
});
