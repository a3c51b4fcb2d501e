import { Subject, type Observable } from 'rxjs';
import type { BlockView, Chain, ChainLogger, Clock, Finality, Head, WorkerRecord } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { BlockChanges, ChangeSource } from './change-source.ts';
import type { EpochStore } from './epoch-store.ts';
import { faultsOf, reduceWorker, type ChangeDraft } from './reduce-worker.ts';
import type { ResolvedWorker } from './resolve-worker.ts';
import { TimeSlice } from './time-slice.ts';
import { TouchedBlocks } from './touched-blocks.ts';
import { factsOf, sameFacts, type WorkerFacts } from './worker-facts.ts';
import type { At, EpochKey, WatchStats, WorkerChange } from './worker-state.ts';
import type { WorkerTable } from './worker-table.ts';

export interface FollowerParts {
  readonly chain: Chain;
  readonly table: WorkerTable;
  readonly source: ChangeSource;
  readonly epochs: EpochStore | undefined;
  readonly finality: Finality;
  readonly clock: Clock;
  readonly logger: ChainLogger;
}

/** A row to be put, or to be deleted where `facts` is undefined. */
interface Prepared {
  readonly id: Hex;
  readonly facts: WorkerFacts | undefined;
  readonly resolved: ResolvedWorker | undefined;
  readonly changes: readonly ChangeDraft[];
}

/** Keeps the table at the head: what a block touched is read again at that block and compared. */
export class WorkerFollower {
  readonly #parts: FollowerParts;
  readonly #changes$ = new Subject<WorkerChange>();
  readonly #touched = new TouchedBlocks();
  #at: At = { block: 0, hash: '0x' };
  #gatekeepers: ReadonlySet<Hex> = new Set();
  #mustReconcile = false;
  #stats = { blocks: 0, reconciles: 0, missed: 0 };

  constructor(parts: FollowerParts) {
    this.#parts = parts;
  }

  get changes$(): Observable<WorkerChange> {
    return this.#changes$.asObservable();
  }

  get at(): At {
    return this.#at;
  }

  get stats(): WatchStats {
    return { strategy: this.#parts.source.strategy, ...this.#stats };
  }

  end(error?: unknown): void {
    if (error === undefined) this.#changes$.complete();
    else this.#changes$.error(error);
  }

  /** Fills the table with all workers at one hash; their records are verified later. */
  async snapshot(head: Head, signal: AbortSignal): Promise<void> {
    const { chain, table, source } = this.#parts;
    const view = chain.at(head.hash);
    for await (const page of view.allWorkers(signal)) for (const record of page) table.set(factsOf(record));
    this.#gatekeepers = new Set(await view.gatekeepers(signal));
    source.reconciled(head);
    this.#advance(head);
  }

  /** Verifies what the snapshot left, a slice of time at a time. */
  async verifyAll(signal: AbortSignal): Promise<void> {
    const { table, clock } = this.#parts;
    const slice = new TimeSlice(clock);
    const proven = new Map<Hex, readonly EpochKey[]>();
    for (const id of [...table.unresolved]) {
      await slice.breathe();
      if (signal.aborted) return;
      const resolved = table.resolved(id);
      if (resolved === undefined) continue;
      proven.set(id, table.seen(id));
      this.#emit(faultsOf(resolved));
    }
    await this.#save(proven);
  }

  async onHead(head: Head, signal: AbortSignal): Promise<void> {
    const { source, logger } = this.#parts;
    let changes: BlockChanges;
    try {
      changes = await source.changesIn(head, signal);
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
      // What it changed is not lost: it is in the state of a later block.
      logger.warn({ block: head.number }, 'state of a block is gone, WorkerState is read anew');
      this.#mustReconcile = true;
      return;
    }
    this.#touched.add(head.hash, changes);
    const view = this.#parts.chain.at(head.hash);
    await this.#reread(head, view, changes, signal);
    if (changes.reconcile || this.#mustReconcile) await this.#reconcile(head, view, signal);
    this.#stats.blocks++;
  }

  /** Takes back what the block changed, by reading its parent. */
  async onRetracted(head: Head, signal: AbortSignal): Promise<void> {
    const changes = this.#touched.take(head.hash);
    if (changes === undefined) {
      this.#mustReconcile = true;
      return;
    }
    const parent = { number: head.number - 1, hash: head.parentHash };
    await this.#reread(parent, this.#parts.chain.at(parent.hash), changes, signal);
  }

  async #reread(
    head: Pick<Head, 'number' | 'hash'>,
    view: BlockView,
    { ids, gatekeepers }: Pick<BlockChanges, 'ids' | 'gatekeepers'>,
    signal: AbortSignal,
  ): Promise<void> {
    const wanted = new Set(ids);
    let present = this.#gatekeepers;
    if (gatekeepers) {
      present = new Set(await view.gatekeepers(signal));
      for (const id of present) if (!this.#gatekeepers.has(id)) wanted.add(id);
      for (const id of this.#gatekeepers) if (!present.has(id)) wanted.add(id);
    }
    const list = [...wanted];
    const records = list.length === 0 ? [] : await view.workers(list, signal);
    const prepared = await this.#prepare(list.map((id, i) => [id, records[i]]));
    this.#gatekeepers = present;
    this.#apply(head, prepared);
  }

  /** Compares all of WorkerState at this block with the table. */
  async #reconcile(head: Head, view: BlockView, signal: AbortSignal): Promise<void> {
    const { table, source, logger, clock } = this.#parts;
    const slice = new TimeSlice(clock);
    const present = new Set<Hex>();
    const differing: [Hex, WorkerRecord | undefined][] = [];
    for await (const page of view.allWorkers(signal)) {
      for (const record of page) {
        const { identity } = record.info;
        present.add(identity);
        const known = table.facts(identity);
        if (known === undefined || !sameFacts(known, factsOf(record))) differing.push([identity, record]);
      }
      await slice.breathe();
    }
    for (const id of table.ids()) if (!present.has(id)) differing.push([id, undefined]);
    const gatekeepers = new Set(await view.gatekeepers(signal));
    const prepared = await this.#prepare(differing);
    this.#gatekeepers = gatekeepers;
    this.#mustReconcile = false;
    this.#stats.reconciles++;
    this.#stats.missed += prepared.length;
    source.reconciled(head);
    if (prepared.length > 0)
      logger.warn({ block: head.number, workers: prepared.length }, 'hints missed changes of WorkerState');
    this.#apply(head, prepared);
  }

  /** Verifies before anything is put, so that all of a block is put at once without holding the event loop. */
  async #prepare(records: readonly (readonly [Hex, WorkerRecord | undefined])[]): Promise<Prepared[]> {
    const { table, clock } = this.#parts;
    const slice = new TimeSlice(clock);
    const prepared: Prepared[] = [];
    const proven = new Map<Hex, readonly EpochKey[]>();
    for (const [id, record] of records) {
      await slice.breathe();
      const known = table.facts(id);
      const facts = record && factsOf(record);
      if (known === undefined ? facts === undefined : facts !== undefined && sameFacts(known, facts)) continue;
      const before = table.resolved(id);
      const resolved = facts && table.preview(facts);
      prepared.push({ id, facts, resolved, changes: reduceWorker(before, resolved) });
      const keys = resolved?.entry.epochs.filter((key) => key.proven) ?? [];
      if (keys.length > 0) proven.set(id, keys);
    }
    // Durable before it is shown: after a crash nobody may be back at an epoch that was used.
    await this.#save(proven);
    return prepared;
  }

  #apply(head: Pick<Head, 'number' | 'hash'>, prepared: readonly Prepared[]): void {
    const { table } = this.#parts;
    for (const { id, facts, resolved } of prepared) {
      if (facts === undefined) table.delete(id);
      else table.set(facts, resolved);
    }
    this.#advance(head);
    this.#emit(prepared.flatMap(({ changes }) => changes));
  }

  #advance({ number, hash }: Pick<Head, 'number' | 'hash'>): void {
    this.#at = { block: number, hash };
  }

  #emit(changes: readonly ChangeDraft[]): void {
    for (const change of changes) this.#changes$.next({ ...this.#at, ...change });
  }

  async #save(proven: ReadonlyMap<Hex, readonly EpochKey[]>): Promise<void> {
    await this.#parts.epochs?.save(proven);
  }
}
