import { Subject, type Observable } from 'rxjs';
import type { ChainLogger, Clock, Head } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { ChangeSource, Differences } from './change-source.ts';
import type { EpochStore } from './epoch-store.ts';
import { faultsOf, reduceWorker, type ChangeDraft } from './reduce-worker.ts';
import type { ResolvedWorker } from './resolve-worker.ts';
import { TimeSlice } from './time-slice.ts';
import { sameFacts, type WorkerFacts } from './worker-facts.ts';
import type { At, EpochKey, WatchStats, WorkerChange } from './worker-state.ts';
import type { WorkerTable } from './worker-table.ts';

export interface FollowerParts {
  readonly table: WorkerTable;
  readonly source: ChangeSource;
  readonly epochs: EpochStore | undefined;
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

/** Keeps the table at the head: what differs there is verified, stored, shown and told of. */
export class WorkerFollower {
  readonly #parts: FollowerParts;
  readonly #changes$ = new Subject<WorkerChange>();
  #source: ChangeSource;
  #at: At = { block: 0, hash: '0x' };
  #blocks = 0;

  constructor(parts: FollowerParts) {
    this.#parts = parts;
    this.#source = parts.source;
  }

  get changes$(): Observable<WorkerChange> {
    return this.#changes$.asObservable();
  }

  get at(): At {
    return this.#at;
  }

  get stats(): WatchStats {
    return { strategy: this.#source.strategy, blocks: this.#blocks, ...this.#source.stats };
  }

  end(error?: unknown): void {
    if (error === undefined) this.#changes$.complete();
    else this.#changes$.error(error);
  }

  /** Goes on by another way from where the table stands. */
  follow(source: ChangeSource): void {
    this.#source = source;
  }

  /** Fills the table with all workers at one hash; their records are verified later. */
  async snapshot(head: Head, signal: AbortSignal): Promise<void> {
    const { table } = this.#parts;
    const present = new Set<Hex>();
    const at = await this.#source.snapshot(
      head,
      (facts) => {
        present.add(facts.identity);
        table.set(facts);
      },
      signal,
    );
    for (const id of [...table.ids()]) if (!present.has(id)) table.delete(id);
    this.#advance({ block: at.number, hash: at.hash });
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
    const { table, logger } = this.#parts;
    try {
      const at = { block: head.number, hash: head.hash };
      await this.#apply(at, await this.#source.changesAt(head, table, signal));
    } catch (error) {
      if (!isRelayError(error, 'state-discarded')) throw error;
      // What it changed is not lost: it is in the state of a later block.
      logger.warn({ block: head.number }, 'state of a block is gone, WorkerState is read at a later one');
    }
    this.#blocks++;
  }

  /** Takes back what the block changed. */
  async onRetracted(head: Head, signal: AbortSignal): Promise<void> {
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
    const proven = new Map<Hex, readonly EpochKey[]>();
    // A worker named twice stands as it was named last.
    for (const [id, facts] of new Map(workers)) {
      await slice.breathe();
      const known = table.facts(id);
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

  /** Verified before, so that all of a block is put at once without holding the event loop. */
  async #apply(at: At, { workers, accept }: Differences): Promise<void> {
    const { table } = this.#parts;
    const prepared = await this.#prepare(workers);
    for (const { id, facts, resolved } of prepared) {
      if (facts === undefined) table.delete(id);
      else table.set(facts, resolved);
    }
    accept();
    this.#advance(at);
    this.#emit(prepared.flatMap(({ changes }) => changes));
  }

  #advance(at: At): void {
    this.#at = at;
  }

  #emit(changes: readonly ChangeDraft[]): void {
    for (const change of changes) this.#changes$.next({ ...this.#at, ...change });
  }

  async #save(proven: ReadonlyMap<Hex, readonly EpochKey[]>): Promise<void> {
    await this.#parts.epochs?.save(proven);
  }
}
