import { aborted } from '../../src/chain/abort.ts';
import type { Clock } from '../../src/chain/index.ts';

/** A clock that a test moves. */
export class ManualClock implements Clock {
  #now: number;
  readonly #sleepers = new Set<() => void>();

  constructor(now = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const check of [...this.#sleepers]) check();
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const until = this.#now + ms;
    return new Promise((resolve, reject) => {
      const check = (): void => {
        if (this.#now < until && signal?.aborted !== true) return;
        this.#sleepers.delete(check);
        signal?.removeEventListener('abort', check);
        if (signal?.aborted === true) reject(aborted(signal));
        else resolve();
      };
      this.#sleepers.add(check);
      signal?.addEventListener('abort', check, { once: true });
      // Never at once: who sleeps lets others run.
      setImmediate(check);
    });
  }
}
