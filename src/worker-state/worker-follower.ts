import { Subject, type Observable } from 'rxjs';
import type { BlockNumber, ChainLogger, Clock, Head } from '../chain/index.ts';
import { equalBytes, type Hex } from '../codec/index.ts';
import { isRelayError, type RelayError } from '../errors/index.ts';
import type { ChangeSource, Differences } from './change-source.ts';
import type { EpochStore } from './epoch-store.ts';
import type { ProvenKey } from './key-page.ts';
import { faultsOf, reduceWorker, type ChangeDraft } from './reduce-worker.ts';
import type { ResolvedWorker } from './resolve-worker.ts';
import { RowCollector } from './rows/row-collector.ts';
import { RowPages } from './rows/row-pages.ts';
import type { WorkerRow } from '../chain/index.ts';
import type { StateStore, StoredState } from './state-store.ts';
import { TimeSlice } from './time-slice.ts';
import { StepReaders } from './step-readers.ts';
import { UntoldWorkers } from './untold-workers.ts';
import type { At, WatchStats, WorkerChange, WorkerStateStep } from './worker-state.ts';
import type { WorkerTable } from './worker-table.ts';

export interface FollowerParts {
  readonly table: WorkerTable;
  readonly source: ChangeSource;
  readonly epochs: EpochStore | undefined;
  readonly clock: Clock;
  readonly logger: ChainLogger;
  /** The first block above one whose state is gone from which on there may be states again. */
  readonly firstWithState: (gone: Head, signal: AbortSignal) => Promise<BlockNumber>;
}

/** Newer blocks that a snapshot is brought to before it gives up. */
const maxPins = 5;
/** How long blocks are passed over by what endpoints said of states until one is read again, ms: they may have lied. */
const passOverMs = 10_000;
/** Workers whose records are verified together. */
const verifiedAtOnce = 64;
/** Workers of a snapshot whose proven epochs are stored together. */
const savedAtOnce = 1_024;

const noRow = new Uint8Array(0);

/** A row to be put, or to be deleted where it is undefined. */
interface Prepared {
  readonly id: Hex;
  readonly row: WorkerRow | undefined;
  readonly resolved: ResolvedWorker | undefined;
  /** As consumers have seen it. */
  readonly before: ResolvedWorker | undefined;
  readonly changes: readonly ChangeDraft[];
}

/** Keeps the table at the head: what differs there is verified, stored, shown and told of. */
export class WorkerFollower {
  readonly #parts: FollowerParts;
  readonly #changes$ = new Subject<WorkerChange>();
  readonly #at$ = new Subject<At>();
  readonly #source: ChangeSource;
  #at: At = { block: 0, hash: '0x' };
  #blocks = 0;
  #passedOver = 0;
  /** Below it states are known to be gone, as endpoints said at `#readFromAsOf`, ms. */
  #readFrom: BlockNumber = 0;
  #readFromAsOf = 0;
  readonly #steps: StepReaders;
  /** Workers of the snapshot of whose faults nobody was told yet. */
  #untold = new UntoldWorkers(RowPages.empty);

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#source = parts.source;
    const at = (): At => this.#at;
    this.#steps = new StepReaders({
      get at() {
        return at();
      },
      resolved: (id) => parts.table.resolved(id),
    });
  }

  get changes$(): Observable<WorkerChange> {
    return this.#changes$.asObservable();
  }

  /** See `WorkerStateWatch.at$`. */
  get at$(): Observable<At> {
    return this.#at$.asObservable();
  }

  get at(): At {
    return this.#at;
  }

  get stats(): Omit<WatchStats, 'trust'> {
    const { strategy, stats } = this.#source;
    return { strategy, blocks: this.#blocks, passedOver: this.#passedOver, ...stats };
  }

  /** See `WorkerStateWatch.steps`. */
  steps(signal?: AbortSignal): AsyncIterableIterator<WorkerStateStep, undefined> {
    return this.#steps.open(signal);
  }

  end(error?: RelayError): void {
    this.#steps.end(error);
    for (const subject of [this.#changes$, this.#at$])
      if (error === undefined) subject.complete();
      else subject.error(error);
  }

  /**
   * Fills the table with all workers at one hash, or at a newer one where the nodes drop its state half way; their records
   * are verified later. Throws state-discarded where that happens again and again.
   */
  async snapshot(pinned: Head, newer: () => Promise<Head>, signal: AbortSignal): Promise<void> {
    const { table } = this.#parts;
    const rows = new RowCollector();
    const isComplete = await this.#source.snapshot(pinned, rows, signal);
    table.load(rows.finish());
    if (isComplete) this.#advance({ block: pinned.number, hash: pinned.hash });
    else await this.#catchUp(await newer(), newer, signal);
    this.#untold = new UntoldWorkers(table.pages);
  }

  /** Goes on from where an earlier run left off; what changed since is not told. Throws as {@link snapshot}. */
  async resume(stored: StoredState, head: Head, newer: () => Promise<Head>, signal: AbortSignal): Promise<void> {
    this.#parts.table.load(stored.pages, true);
    await this.#catchUp(head, newer, signal);
    this.#untold = new UntoldWorkers(this.#parts.table.pages);
  }

  /** Whether what an earlier run stored is of use now. */
  canResume(stored: StoredState): boolean {
    try {
      return this.#source.recall(stored);
    } catch (error) {
      if (!isRelayError(error)) throw error;
      return false;
    }
  }

  async #catchUp(first: Head, newer: () => Promise<Head>, signal: AbortSignal): Promise<void> {
    const { table } = this.#parts;
    for (let head = first, pins = 1; ; head = await newer(), pins++)
      try {
        const { workers, accept } = await this.#source.changesAt(head, table, signal);
        for (const [id, row] of workers)
          if (row === undefined) table.delete(id);
          else if (!equalBytes(table.row(id) ?? noRow, row)) table.set(row);
        accept();
        this.#advance({ block: head.number, hash: head.hash });
        return;
      } catch (error) {
        if (!isRelayError(error, 'state-discarded') || pins === maxPins) throw error;
      }
  }

  /** Writes what stands now. False where another process writes to the store. Throws store-failed. */
  async saveTo(store: StateStore): Promise<boolean> {
    const { table } = this.#parts;
    const unsaved = table.takeUnsaved();
    try {
      return await store.save(this.#at, this.#source, unsaved);
    } catch (error) {
      table.saveAllAgain();
      throw error;
    }
  }

  /** Verifies what the snapshot left, a slice of time at a time, and tells of what is wrong with it. */
  async verifyAll(signal: AbortSignal): Promise<void> {
    const { table, clock } = this.#parts;
    const slice = new TimeSlice(clock);
    const proven = new Map<Hex, readonly ProvenKey[]>();
    for (;;) {
      await slice.breathe();
      if (signal.aborted) break;
      const ids = this.#untold.take(verifiedAtOnce);
      if (ids.length === 0) break;
      table.resolveAll(ids);
      const told: [Hex, ResolvedWorker][] = [];
      for (const id of ids) {
        const resolved = table.resolved(id);
        if (resolved === undefined) continue;
        if (resolved.proven.length > 0) proven.set(id, resolved.proven);
        if (resolved.faults.size > 0) told.push([id, resolved]);
      }
      this.#steps.note(told.map(([id, resolved]) => [id, withoutFaults(resolved)]));
      for (const [, resolved] of told) this.#emit(faultsOf(resolved));
      if (proven.size >= savedAtOnce) {
        await this.#save(proven);
        proven.clear();
      }
    }
    await this.#save(proven);
  }

  async onHead(head: Head, signal: AbortSignal): Promise<void> {
    const { table, clock, logger, firstWithState } = this.#parts;
    if (head.number < this.#readFrom && clock.now() - this.#readFromAsOf < passOverMs) this.#passedOver++;
    else
      try {
        const at = { block: head.number, hash: head.hash };
        await this.#apply(at, await this.#source.changesAt(head, table, signal));
      } catch (error) {
        if (!isRelayError(error, 'state-discarded')) throw error;
        // What they changed is not lost: it is in the state of a later block.
        this.#readFrom = await firstWithState(head, signal);
        this.#readFromAsOf = clock.now();
        this.#passedOver++;
        const facts = { first: head.number, last: this.#readFrom - 1 };
        logger.warn(facts, 'state of blocks is gone, WorkerState is read at a later one');
      }
    this.#blocks++;
  }

  /** Takes back what the block changed; nothing where the table never came to show it, or could not be taken back to it. */
  async onRetracted(head: Head, signal: AbortSignal): Promise<void> {
    this.#readFrom = 0;
    if (head.hash !== this.#at.hash) return;
    const { table, logger } = this.#parts;
    try {
      const at = { block: head.number - 1, hash: head.parentHash };
      await this.#apply(at, await this.#source.changesBack(head, table, signal));
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
      logger.warn({ block: head.number }, 'state below a retracted block is gone, WorkerState is read at a later one');
    }
  }

  /** What differs indeed, verified and its epochs stored. */
  async #prepare(workers: Differences['workers']): Promise<Prepared[]> {
    const { table, clock } = this.#parts;
    const slice = new TimeSlice(clock);
    const prepared: Prepared[] = [];
    const proven = new Map<Hex, readonly ProvenKey[]>();
    // A worker named twice stands as it was named last.
    const differing = [...new Map(workers)].filter(([id, row]) => {
      const known = table.row(id);
      return known === undefined ? row !== undefined : row === undefined || !equalBytes(known, row);
    });
    for (let start = 0; start < differing.length; start += verifiedAtOnce) {
      await slice.breathe();
      const part = differing.slice(start, start + verifiedAtOnce);
      table.resolveAll(part.map(([id]) => id));
      const resolvedRows = table.preview(part.map(([, row]) => row).filter((row) => row !== undefined));
      const after = new Map(resolvedRows.map((resolved) => [resolved.entry.identity, resolved]));
      for (const [id, row] of part) {
        const resolved = after.get(id);
        const stands = table.resolved(id);
        // From here on its faults are told of with this block, not with the snapshot.
        const isUntold = this.#untold.delete(id);
        const before = stands !== undefined && isUntold ? withoutFaults(stands) : stands;
        prepared.push({ id, row, resolved, before, changes: reduceWorker(before, resolved) });
        if (resolved !== undefined && resolved.proven.length > 0) proven.set(id, resolved.proven);
      }
    }
    // Durable before it is shown: after a crash nobody may be back at an epoch that was used.
    await this.#save(proven);
    return prepared;
  }

  /** Verified before, so that all of a block is put at once without holding the event loop. */
  async #apply(at: At, { workers, accept }: Differences): Promise<void> {
    const prepared = workers.length === 0 ? [] : await this.#prepare(workers);
    const { table } = this.#parts;
    for (const { id, row, resolved } of prepared) {
      if (row === undefined) table.delete(id);
      else table.set(row, resolved);
    }
    accept();
    this.#advance(at);
    if (prepared.length > 0) {
      this.#steps.note(prepared.map(({ id, before }) => [id, before]));
      this.#emit(prepared.flatMap(({ changes }) => changes));
    }
    this.#at$.next(at);
  }

  #advance(at: At): void {
    this.#at = at;
  }

  #emit(changes: readonly ChangeDraft[]): void {
    for (const change of changes) this.#changes$.next({ ...this.#at, ...change });
  }

  async #save(proven: ReadonlyMap<Hex, readonly ProvenKey[]>): Promise<void> {
    await this.#parts.epochs?.save(proven);
  }
}

function withoutFaults(resolved: ResolvedWorker): ResolvedWorker {
  return { ...resolved, faults: new Map() };
}
