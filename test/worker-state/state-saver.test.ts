import assert from 'node:assert/strict';
import fc from 'fast-check';
import { idOf, type Head, type WorkerRow } from '../../src/chain/index.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { ChangeSource, Differences } from '../../src/worker-state/change-source.ts';
import { StateSaver } from '../../src/worker-state/state-saver.ts';
import { StateStore } from '../../src/worker-state/state-store.ts';
import { WorkerFollower } from '../../src/worker-state/worker-follower.ts';
import { WorkerTable } from '../../src/worker-state/worker-table.ts';
import { testWorker } from '../chain/support.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { rowOf } from './support.ts';

const genesisHash: Hex = `0x${'01'.repeat(32)}`;
const workers = Array.from({ length: 40 }, (_, i) => testWorker(i));
/** Large enough that a few rows fill a page. */
const urlOf = (length: number): string => `http://${'u'.repeat(length)}`;
const everyMs = 1_000;

/** A store whose disk can be full. */
class Disk implements TransactionalStore {
  readonly #store = openMemoryStore();
  isFull = false;
  commits = 0;
  readonly get: TransactionalStore['get'] = (key) => this.#store.get(key);
  readonly entries: TransactionalStore['entries'] = (range) => this.#store.entries(range);
  readonly commit: TransactionalStore['commit'] = async (writes, expected) => {
    if (this.isFull) throw new RelayError('store-failed', { details: { reason: 'no space left on device' } });
    this.commits += 1;
    return this.#store.commit(writes, expected);
  };
  readonly close = (): Promise<void> => this.#store.close();
  readonly [Symbol.asyncDispose] = (): Promise<void> => this.#store.close();
}

/** A process with WorkerState, up to its crash. */
class Run {
  readonly clock = new ManualClock();
  readonly warnings: string[] = [];
  readonly follower: WorkerFollower;
  readonly saver: StateSaver;
  readonly table = new WorkerTable(genesisHash, (records) => records.map(() => true));
  #next: Differences['workers'] = [];

  constructor(store: TransactionalStore) {
    const logger = { debug: () => undefined, warn: (_: object, text: string) => void this.warnings.push(text) };
    const source: ChangeSource = {
      strategy: 'proofs',
      stats: { reconciles: 0, missed: 0 },
      snapshot: () => Promise.resolve(true),
      changesAt: () => Promise.resolve({ workers: this.#next, accept: () => undefined }),
      changesBack: () => Promise.reject(new Error('not here')),
      memory: () => Uint8Array.of(7),
      remembered: undefined,
      recall: () => true,
    };
    this.follower = new WorkerFollower({
      table: this.table,
      source,
      epochs: undefined,
      firstWithState: ({ number }) => Promise.resolve(number + 1),
      clock: this.clock,
      logger,
    });
    const states = new StateStore(store, genesisHash);
    this.saver = new StateSaver({ store: states, follower: this.follower, clock: this.clock, logger }, everyMs);
    this.load = async () => {
      const stored = await states.load();
      if (stored !== undefined)
        await this.follower.resume(
          stored,
          headAt(stored.at.block),
          () => Promise.reject(new Error('not pruned')),
          new AbortController().signal,
        );
      return stored?.at.block;
    };
  }

  /** Goes on from the store; gives the block that it stood at. */
  readonly load: () => Promise<number | undefined>;

  async block(number: number, changes: Differences['workers']): Promise<void> {
    this.#next = changes;
    await this.follower.onHead(headAt(number), new AbortController().signal);
    this.#next = [];
  }

  rows(): Hex[] {
    return Array.from(this.table.rows(), (row) => toHex(row));
  }
}

function headAt(number: number): Head {
  const hash: Hex = `0x${number.toString(16).padStart(64, '0')}`;
  return { number, hash, parentHash: hash, stateRoot: hash };
}

const put = (who: number, length: number): readonly [Hex, WorkerRow] => {
  const row = rowOf(workers[who]!, { endpoints: [urlOf(length)] });
  return [idOf(row), row];
};

describe('WorkerState in its store', () => {
  it('is written when it is time, and when asked', async () => {
    const disk = new Disk();
    const run = new Run(disk);
    await run.block(1, [put(1, 10)]);
    await run.saver.save();
    await run.saver.save();
    assert.equal(disk.commits, 1);
    await run.block(2, [put(2, 10)]);
    await run.saver.save();
    assert.equal(disk.commits, 1);
    run.clock.advance(everyMs);
    await run.saver.save();
    assert.equal(disk.commits, 2);
    await run.block(3, [put(3, 10)]);
    await run.saver.save(true);
    await run.saver.save(true);
    assert.equal(disk.commits, 3);
  });

  it('is not written right after it was read, but when that is due', async () => {
    const disk = new Disk();
    const first = new Run(disk);
    await first.block(1, [put(1, 10)]);
    await first.saver.save(true);
    const again = new Run(disk);
    await again.load();
    again.saver.resumed();
    await again.block(2, [put(2, 10)]);
    await again.saver.save();
    assert.equal(disk.commits, 1);
    again.clock.advance(everyMs);
    await again.saver.save();
    assert.equal(disk.commits, 2);
    assert.equal(await new Run(disk).load(), 2);
  });

  it('goes on where the disk is full, says so, and is written as a whole once there is room', async () => {
    const disk = new Disk();
    const run = new Run(disk);
    await run.block(1, [put(1, 10)]);
    await run.saver.save(true);
    disk.isFull = true;
    await run.block(2, [put(2, 9_000), put(3, 9_000)]);
    await run.saver.save(true);
    await run.block(3, [[workers[1]!.identity, undefined]]);
    await run.saver.save(true);
    assert.deepEqual(run.warnings, Array(2).fill('WorkerState could not be stored'));
    assert.equal(await new Run(disk).load(), 1);
    disk.isFull = false;
    await run.block(4, [put(4, 10)]);
    await run.saver.save(true);
    const again = new Run(disk);
    assert.equal(await again.load(), 4);
    assert.deepEqual(again.rows(), run.rows());
  });

  it('is after any crash what was last written, whatever came between and whenever the disk was full', async () => {
    const change = fc.tuple(fc.nat(workers.length - 1), fc.option(fc.nat(9_000), { nil: undefined }));
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('block' as const), changes: fc.array(change, { maxLength: 12 }) }),
      },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('save' as const), isFull: fc.boolean() }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const disk = new Disk();
        let run = new Run(disk);
        let saved: { block: number; rows: Hex[] } | undefined;
        let block = 0;
        for (const each of steps)
          if (each.kind === 'block') {
            block += 1;
            await run.block(
              block,
              each.changes.map(([who, length]) =>
                length === undefined ? [workers[who]!.identity, undefined] : put(who, length),
              ),
            );
          } else if (each.kind === 'save') {
            if (block === 0) continue; // nothing to write before the snapshot stands
            disk.isFull = each.isFull;
            const before = disk.commits;
            await run.saver.save(true);
            if (disk.commits > before) saved = { block, rows: run.rows() };
          } else {
            disk.isFull = false;
            run = new Run(disk);
            assert.equal(await run.load(), saved?.block);
            assert.deepEqual(run.rows(), saved?.rows ?? []);
            block = saved?.block ?? 0;
          }
      }),
      { numRuns: 150 },
    );
  });

  it('is left to another process that writes it too', async () => {
    const disk = new Disk();
    const [one, other] = [new Run(disk), new Run(disk)];
    await one.block(1, [put(1, 10)]);
    await one.saver.save(true);
    await other.load();
    await other.block(2, [put(2, 10)]);
    await other.saver.save(true);
    await one.block(3, [put(3, 10)]);
    await one.saver.save(true);
    await one.saver.save(true);
    assert.deepEqual(one.warnings, ['WorkerState is stored by another process, and no longer by this one']);
    const again = new Run(disk);
    assert.equal(await again.load(), 2);
    assert.deepEqual(again.rows(), other.rows());
  });
});
