/** Lanes that are remembered; the oldest goes first. */
const maxSuspects = 10_000;
/** How long a bad signature keeps its sender apart, ms. */
const suspicionMs = 60_000;

/** Who sent a bad signature of late: what comes from there is kept out of the others' batches. */
export class Suspects {
  readonly #until = new Map<unknown, number>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  has(lane: unknown): boolean {
    const until = this.#until.get(lane);
    if (until === undefined) return false;
    if (this.#now() < until) return true;
    this.#until.delete(lane);
    return false;
  }

  add(lane: unknown): void {
    if (lane === undefined) return;
    this.#until.delete(lane);
    this.#until.set(lane, this.#now() + suspicionMs);
    if (this.#until.size <= maxSuspects) return;
    for (const oldest of this.#until.keys()) {
      this.#until.delete(oldest);
      return;
    }
  }
}
