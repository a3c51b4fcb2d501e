import type { Clock, WorkerRow } from '../chain/index.ts';
import { equalBytes, type Hex } from '../codec/index.ts';
import type { Differences } from './change-source.ts';
import type { EpochStore } from './epoch-store.ts';
import type { ProvenKey } from './key-page.ts';
import { reduceWorker, type ChangeDraft } from './reduce-worker.ts';
import type { ResolvedWorker } from './resolve-worker.ts';
import { RowPages } from './rows/row-pages.ts';
import { TimeSlice } from './time-slice.ts';
import { UntoldWorkers } from './untold-workers.ts';
import type { WorkerTable } from './worker-table.ts';

/** Workers whose records are verified together. */
const verifiedAtOnce = 64;
/** Workers of a snapshot whose proven epochs are stored together. */
const savedAtOnce = 1_024;

export interface VerifierParts {
  readonly table: WorkerTable;
  readonly epochs: EpochStore | undefined;
  readonly clock: Clock;
}

/** A row to be put, or to be deleted where it is undefined. */
export interface PreparedRow {
  readonly id: Hex;
  readonly row: WorkerRow | undefined;
  readonly resolved: ResolvedWorker | undefined;
  /** As consumers have seen it. */
  readonly before: ResolvedWorker | undefined;
  readonly changes: readonly ChangeDraft[];
}

/** Verifies ECDH records a slice of time at a time: those of a block before it is shown, those of a snapshot behind it. */
export class RecordVerifier {
  readonly #parts: VerifierParts;
  /** Workers of the snapshot of whose faults nobody was told yet. */
  #untold = new UntoldWorkers(RowPages.empty);

  constructor(parts: VerifierParts) {
    this.#parts = parts;
  }

  /** The table holds a snapshot. */
  begin(): void {
    this.#untold = new UntoldWorkers(this.#parts.table.pages);
  }

  /** Of rows that a block brings: what differs indeed, verified and its epochs stored. */
  async prepare(workers: Differences['workers']): Promise<PreparedRow[]> {
    const { table, clock } = this.#parts;
    const slice = new TimeSlice(clock);
    const prepared: PreparedRow[] = [];
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

  /** What the snapshot left; `tell` gets those with faults, some at a time. */
  async rest(signal: AbortSignal, tell: (faulty: readonly ResolvedWorker[]) => void): Promise<void> {
    const { table, clock } = this.#parts;
    const slice = new TimeSlice(clock);
    const proven = new Map<Hex, readonly ProvenKey[]>();
    for (;;) {
      await slice.breathe();
      if (signal.aborted) break;
      const ids = this.#untold.take(verifiedAtOnce);
      if (ids.length === 0) break;
      table.resolveAll(ids);
      const faulty: ResolvedWorker[] = [];
      for (const id of ids) {
        const resolved = table.resolved(id);
        if (resolved === undefined) continue;
        if (resolved.proven.length > 0) proven.set(id, resolved.proven);
        if (resolved.faults.size > 0) faulty.push(resolved);
      }
      tell(faulty);
      if (proven.size >= savedAtOnce) {
        await this.#save(proven);
        proven.clear();
      }
    }
    await this.#save(proven);
  }

  async #save(proven: ReadonlyMap<Hex, readonly ProvenKey[]>): Promise<void> {
    await this.#parts.epochs?.save(proven);
  }
}

/** As consumers see a worker of whose faults they were not told. */
export function withoutFaults(resolved: ResolvedWorker): ResolvedWorker {
  return { ...resolved, faults: new Map() };
}
