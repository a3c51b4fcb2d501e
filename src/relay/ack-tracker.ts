/**
 * Which deliveries of one connection are done with. A relay is told only "up to", so one that is done waits until all
 * before it are.
 */
export class AckTracker {
  // In order of delivery, which is the order of cursors.
  readonly #open = new Map<bigint, boolean>();

  /** Deliveries that the relay has not been told to be done with. */
  get size(): number {
    return this.#open.size;
  }

  delivered(cursor: bigint): void {
    this.#open.set(cursor, false);
  }

  /** What may be acknowledged now, and how many deliveries that ends; undefined where nothing new may. */
  done(cursor: bigint): { readonly upTo: bigint; readonly count: number } | undefined {
    if (this.#open.get(cursor) !== false) return undefined;
    this.#open.set(cursor, true);
    let count = 0;
    let upTo = 0n;
    for (const [next, isDone] of this.#open) {
      if (!isDone) break;
      this.#open.delete(next);
      upTo = next;
      count += 1;
    }
    return count === 0 ? undefined : { upTo, count };
  }
}
