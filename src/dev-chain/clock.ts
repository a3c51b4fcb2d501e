/** Chain time: the wall's, shifted by time travel, and never standing still between two blocks. */
export class ChainClock {
  readonly #now: () => number;
  #shiftMs: number;

  constructor(now: () => number, shiftMs = 0) {
    this.#now = now;
    this.#shiftMs = shiftMs;
  }

  get shiftMs(): number {
    return this.#shiftMs;
  }

  now(): number {
    return this.#now() + this.#shiftMs;
  }

  /** Gives what takes it back. */
  travelTo(unixMs: number): () => void {
    const before = this.#shiftMs;
    this.#shiftMs = unixMs - this.#now();
    return () => {
      this.#shiftMs = before;
    };
  }

  /** The timestamp of a child of a block with timestamp `parentMs`. */
  next(parentMs: number, minimumPeriodMs: number): number {
    return Math.max(this.now(), parentMs + Math.max(1, minimumPeriodMs));
  }
}
