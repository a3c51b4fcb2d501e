import type { Progress } from './message-record.ts';
import { Change, type Stored } from './outbox-change.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { Receipts } from './receipts.ts';
import type { SendId } from './send-id.ts';

/** Messages forgotten at a time. */
const pruneStep = 256;

export interface ProgressLogParts {
  readonly store: OutboxStore;
  readonly receipts: Receipts;
  /** Messages whose end is known that are kept; the oldest go first. */
  readonly keepDone: number;
  /** Messages have come to their end; what failed may be retried. */
  readonly onEnded: (ids: readonly SendId[]) => void;
  /** Messages are kept no more. */
  readonly onForgotten: (ids: readonly SendId[]) => void;
}

/** Writes what becomes of messages, and tells of it; the oldest of those that ended are forgotten. */
export class ProgressLog {
  readonly #parts: ProgressLogParts;
  /** Ends that may come before there can be too many to keep: those that are retried end once more, and count again. */
  #room = 0;

  constructor(parts: ProgressLogParts) {
    this.#parts = parts;
  }

  /** As {@link Work.save}. */
  async save(
    change: Change,
    from: readonly Stored[],
    statuses: readonly (readonly [SendId, Progress])[],
  ): Promise<boolean> {
    const { store, receipts } = this.#parts;
    if (!(await store.commit(change, from))) return false;
    for (const [id, status] of statuses) receipts.tell(id, status);
    return true;
  }

  /** As {@link Work.finish}. */
  async finish(ends: readonly (readonly [Stored, Progress])[], change = new Change()): Promise<boolean> {
    for (const [stored, progress] of ends) {
      const { id, record } = stored;
      change.progress(stored, progress).done(id);
      // A failed one may be retried.
      if (progress.state !== 'failed') change.dropBody(id);
      else change.unqueue(stored, record.as);
      // Whichever way it came in, none takes it from the other's place once more.
      if (record.via !== 'chain') change.unqueue(stored, 'relay');
    }
    const isSaved = await this.save(
      change,
      ends.map(([stored]) => stored),
      ends.map(([{ id }, progress]) => [id, progress]),
    );
    if (!isSaved) return false;
    this.#parts.onEnded(ends.map(([{ id }]) => id));
    await this.#prune(ends.length);
    return true;
  }

  async #prune(ended: number): Promise<void> {
    const { store, keepDone, onForgotten } = this.#parts;
    this.#room -= ended;
    if (this.#room > 0) return;
    const done = await store.done(Infinity);
    const oldest = done.length < keepDone + pruneStep ? [] : done.slice(0, done.length - keepDone);
    if (oldest.length > 0) await store.forget(oldest);
    this.#room = keepDone + pruneStep - (done.length - oldest.length);
    onForgotten(oldest);
  }
}
