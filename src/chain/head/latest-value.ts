import type { Observable, Subscription } from 'rxjs';
import { onAbort } from '../../signals/index.ts';
import { aborted, throwIfAborted } from '../abort.ts';

export interface Versioned<T> {
  readonly value: T;
  /** Grows with every value, from 1. */
  readonly version: number;
}

/** Lets a loop pull from a stream of which only the newest value matters: a bounded edge of size one, newest wins. */
export class LatestValue<T> implements Disposable {
  #value: Versioned<T> | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** Wake who waits for a change. */
  readonly #waiting = new Set<() => void>();
  readonly #subscription: Subscription;
  readonly #whenDone: () => unknown;

  /** `whenDone` gives the error to throw where the stream completes. */
  constructor(source: Observable<T>, whenDone: () => unknown) {
    this.#whenDone = whenDone;
    this.#subscription = source.subscribe({
      next: (value) => {
        this.#value = { value, version: (this.#value?.version ?? 0) + 1 };
        this.#wake();
      },
      error: (error: unknown) => {
        this.#failure = { error };
        this.#wake();
      },
      complete: () => {
        this.#failure = { error: this.#whenDone() };
        this.#wake();
      },
    });
  }

  /** undefined before the first. */
  get newest(): Versioned<T> | undefined {
    return this.#value;
  }

  /** The newest value that fits, as soon as there is one. */
  async next(
    signal: AbortSignal | undefined,
    fits: (newest: Versioned<T>) => boolean = () => true,
  ): Promise<Versioned<T>> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      const newest = this.#value;
      if (newest !== undefined && fits(newest)) return newest;
      await this.#change(signal);
    }
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }

  #change(signal: AbortSignal | undefined): Promise<void> {
    throwIfAborted(signal);
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiting.delete(done);
        off?.();
        if (signal?.aborted === true) reject(aborted(signal));
        else resolve();
      };
      const off = signal && onAbort(signal, done);
      this.#waiting.add(done);
    });
  }

  #wake(): void {
    for (const wake of this.#waiting) wake();
  }
}
