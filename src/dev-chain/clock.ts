/** Chain time: the wall's, shifted by time travel, and never standing still between two blocks. */
export class ChainClock {
  readonly #now: () => number;
  #shiftMs = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  now(): number {
    return this.#now() + this.#shiftMs;
  }

  travelTo(unixMs: number): void {
    this.#shiftMs = unixMs - this.#now();
  }

  /** The timestamp of a child of a block with timestamp `parentMs`. */
  next(parentMs: number, minimumPeriodMs: number): number {
    return Math.max(this.now(), parentMs + Math.max(1, minimumPeriodMs));
  }
}
