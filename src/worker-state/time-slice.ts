import type { Clock } from '../chain/index.ts';

/** Longest that the event loop is held before others get a turn, ms. */
const sliceMs = 8;

/** Lets other work run whenever a slice of time is used up. */
export class TimeSlice {
  readonly #clock: Clock;
  #began: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#began = clock.now();
  }

  /** Await it between two pieces of work. */
  async breathe(): Promise<void> {
    if (this.#clock.now() - this.#began < sliceMs) return;
    await new Promise((resolve) => setTimeout(resolve, 0));
    this.#began = this.#clock.now();
  }
}
