/** Longest that the event loop is held before others get a turn, ms. */
const sliceMs = 8;

/** Lets other work run whenever a slice of time is used up. */
export class TimeSlice {
  readonly #now: () => number;
  #began: number;

  constructor(now: () => number) {
    this.#now = now;
    this.#began = now();
  }

  /** Await it between two pieces of work. */
  async breathe(): Promise<void> {
    if (this.#now() - this.#began < sliceMs) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#began = this.#now();
  }
}
