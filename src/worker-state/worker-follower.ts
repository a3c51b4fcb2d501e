import { Subject, type Observable } from 'rxjs';
import type { BlockNumber, ChainLogger, Clock, Head } from '../chain/index.ts';
import { equalBytes } from '../codec/index.ts';
import { isRelayError, type RelayError } from '../errors/index.ts';
import type { ChangeSource, Differences } from './change-source.ts';
import type { EpochStore } from './epoch-store.ts';
import { RecordVerifier, withoutFaults } from './record-verifier.ts';
import { faultsOf, type ChangeDraft } from './reduce-worker.ts';
import { RowCollector } from './rows/row-collector.ts';
import type { StateStore, StoredState } from './state-store.ts';
import { StepReaders } from './step-readers.ts';
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
const noRow = new Uint8Array(0);

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
  readonly #verifier: RecordVerifier;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#source = parts.source;
    this.#verifier = new RecordVerifier(parts);
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
    this.#verifier.begin();
  }

  /** Goes on from where an earlier run left off; what changed since is not told. Throws as {@link snapshot}. */
  async resume(stored: StoredState, head: Head, newer: () => Promise<Head>, signal: AbortSignal): Promise<void> {
    this.#parts.table.load(stored.pages, true);
    await this.#catchUp(head, newer, signal);
    this.#verifier.begin();
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
  verifyAll(signal: AbortSignal): Promise<void> {
    return this.#verifier.rest(signal, (faulty) => {
      this.#steps.note(faulty.map((resolved) => [resolved.entry.identity, withoutFaults(resolved)]));
      for (const resolved of faulty) this.#emit(faultsOf(resolved));
    });
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

  /** Verified before, so that all of a block is put at once without holding the event loop. */
  async #apply(at: At, { workers, accept }: Differences): Promise<void> {
    const prepared = workers.length === 0 ? [] : await this.#verifier.prepare(workers);
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
}
