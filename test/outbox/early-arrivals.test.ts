import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Fates } from '../../src/chain/index.ts';
import { ChainChange } from '../../src/outbox/chain-store.ts';
import { EarlyArrivals } from '../../src/outbox/early-arrivals.ts';
import type { RefusedFlight } from '../../src/outbox/flight.ts';
import { openOutboxQueue } from '../../src/outbox/index.ts';
import { RunningQueue } from '../../src/outbox/running-queue.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { directoryOf } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { idOf, queuedRecord } from './records.ts';

const record = queuedRecord({ as: 'account', via: 'chain', account: idOf(1) });
const nobody: ReadonlySet<bigint> = new Set();

describe('outbox: messages in blocks by extrinsics that are not followed', () => {
  let reads: number;
  let commits: number;
  /** Before the next commit. */
  let meanwhile: (() => Promise<void>) | undefined;
  let memory: TransactionalStore;
  let queue: RunningQueue;
  let arrivals: EarlyArrivals;
  let ids: bigint[];
  let refused: RefusedFlight;

  beforeEach(async () => {
    memory = openMemoryStore();
    const store = replacing(memory, {
      get: (key) => {
        reads += 1;
        return memory.get(key);
      },
      commit: async (...write) => {
        commits += 1;
        await meanwhile?.();
        meanwhile = undefined;
        return memory.commit(...write);
      },
    });
    queue = new RunningQueue(
      { genesisHash: idOf(0), vault: createMemoryVault(), store, directory: await directoryOf(), hasCarrier: false },
      [],
    );
    arrivals = new EarlyArrivals(queue.work);
    ids = [];
    for (let n = 0; n < 100; n++)
      ids.push(await queue.work.store.append({ record, body: Uint8Array.of(1), route: 'account' }));
    refused = {
      as: 'account',
      members: ids.map((id) => ({ id, messageId: idOf(Number(id) + 1_000) })),
      extrinsic: { hash: idOf(2), account: idOf(1), nonce: 0, anchor: 1, death: 65 },
    };
    reads = 0;
    commits = 0;
  });
  afterEach(() => queue.stop());

  /** In a block of this number; undefined: in none. */
  const at = (blockNumber: number | undefined): Fates => {
    const inclusion = { extrinsicHash: idOf(2), blockHash: idOf(blockNumber ?? 0), blockNumber: blockNumber ?? 0 };
    const fate =
      blockNumber === undefined
        ? ({ kind: 'open', nextNonce: 0 } as const)
        : ({ kind: 'included', inclusion, isFinal: false } as const);
    return { by: { number: 40, hash: idOf(40) }, of: new Map([[idOf(2), fate]]) };
  };

  /** Where all of them are. */
  const whereabouts = async (): Promise<Set<string | number>> => {
    const found = new Set<string | number>();
    for (const id of ids) {
      const progress = (await queue.work.store.get(id))?.record.progress;
      found.add(progress?.state === 'inBlock' ? progress.blockNumber : (progress?.state ?? 'gone'));
    }
    return found;
  };

  it('are read when they come, move or go, in one transaction, and not each time that blocks are looked at', async () => {
    for (const block of [5, 6, undefined]) {
      commits = 0;
      await arrivals.note([refused], at(block), nobody);
      assert.equal(commits, 1);
      assert.deepEqual(await whereabouts(), new Set([block ?? 'queued']));
      reads = 0;
      await arrivals.note([refused], at(block), nobody);
      assert.equal(reads, 0);
    }
  });

  it('are final at once where another process cancels them in the same moment, and the others are where they are', async () => {
    meanwhile = () => openOutboxQueue(memory).cancel(ids[0] ?? 0n);
    await arrivals.note([refused], at(5), nobody);
    assert.deepEqual(await whereabouts(), new Set(['finalized', 5]));
  });

  it('are read once by the next process', async () => {
    await arrivals.note([refused], at(5), nobody);
    const next = new EarlyArrivals(queue.work);
    await next.load([refused]);
    reads = 0;
    await next.note([refused], at(5), nobody);
    assert.equal(reads, 0);
    await next.note([refused], at(undefined), nobody);
    assert.deepEqual(await whereabouts(), new Set(['queued']));
  });

  it('are where they were when another extrinsic that carried them too is given up', async () => {
    await arrivals.note([refused], at(5), nobody);
    await arrivals.note([refused], at(5), new Set(ids));
    for (const id of ids) {
      const stored = await queue.work.store.get(id);
      assert.ok(stored !== undefined);
      const change = new ChainChange().progress(stored, { state: 'queued' }).queue(stored, 'account');
      assert.ok(await queue.work.save(change, [stored], [[id, { state: 'queued' }]]));
    }
    await arrivals.note([refused], at(5), nobody);
    assert.deepEqual(await whereabouts(), new Set([5]));
  });
});
