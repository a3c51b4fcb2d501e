import type { Hex } from '../codec/index.ts';
import { letGo } from '../signals/index.ts';

/** Before a recipient that was not reached is tried again; doubles. */
const retryMs = 1_000;
/** Longest of these pauses. */
const maxRetryMs = 60_000;

interface Failures {
  count: number;
  /** undefined: the pause is over. */
  pause: ReturnType<typeof setTimeout> | undefined;
}

/** Recipients that were not reached. Each is tried again after a pause. */
export class Unreached {
  readonly #failures = new Map<Hex, Failures>();
  readonly #again: (to: Hex) => void;

  /** `again` is told whose pause is over. */
  constructor(again: (to: Hex) => void) {
    this.#again = again;
  }

  isPausing(to: Hex): boolean {
    return this.#failures.get(to)?.pause !== undefined;
  }

  failed(to: Hex): void {
    const failures = this.#failures.get(to) ?? { count: 0, pause: undefined };
    this.#failures.set(to, failures);
    clearTimeout(failures.pause);
    failures.pause = setTimeout(
      () => {
        failures.pause = undefined;
        this.#again(to);
      },
      Math.min(maxRetryMs, retryMs * 2 ** failures.count++),
    );
    letGo(failures.pause);
  }

  /** Whether the last that is known of it is that it was not reached. */
  isDoubtful(to: Hex): boolean {
    return this.#failures.has(to);
  }

  reached(to: Hex): void {
    clearTimeout(this.#failures.get(to)?.pause);
    this.#failures.delete(to);
  }

  /** All pauses are over. */
  tryAgain(): void {
    for (const [to, failures] of [...this.#failures]) {
      const { pause } = failures;
      clearTimeout(pause);
      failures.count = 0;
      failures.pause = undefined;
      if (pause !== undefined) this.#again(to);
    }
  }

  /** None comes again. */
  stop(): void {
    for (const { pause } of this.#failures.values()) clearTimeout(pause);
    this.#failures.clear();
  }
}
