/** Answers that fit until it is tried whether more than what was refused fit by now. A refusal may cost the socket. */
const fitsUntilRetry = 64;

/** How many keys may be asked for at once, as a node's answers teach it. */
export class KeysAtOnce {
  readonly #most: number;
  #size: number;
  /** So many were too many, last. */
  #refused = Infinity;
  #fits = 0;

  constructor(most: number) {
    this.#most = most;
    this.#size = most;
  }

  get size(): number {
    return this.#size;
  }

  /** The keys in windows of as many as may be asked for when it is their turn, and of no more than `most`. */
  *windows<T>(keys: readonly T[], most = this.#most): Generator<readonly T[]> {
    for (let start = 0; start < keys.length;) {
      const end = start + Math.min(this.#size, most);
      yield keys.slice(start, end);
      start = end;
    }
  }

  /** The answer for `count` keys, two at least, was too large. Gives how many of them may be asked for next. */
  refused(count: number): number {
    const half = count >> 1;
    this.#size = Math.min(this.#size, half);
    this.#refused = count;
    this.#fits = 0;
    return half;
  }

  /** The answer for `count` keys came; of keys like these it should be asked for `reasonable` at most. */
  fitted(count: number, reasonable = this.#most): void {
    if (count >= this.#size) {
      if (2 * this.#size < this.#refused) this.#size = Math.min(this.#most, 2 * this.#size);
      else if (++this.#fits === fitsUntilRetry) {
        this.#fits = 0;
        this.#refused *= 2;
      }
    }
    this.#size = Math.max(1, Math.min(this.#size, reasonable));
  }
}
