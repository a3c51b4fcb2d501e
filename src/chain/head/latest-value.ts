import type { Observable, Subscription } from 'rxjs';
import { abortable } from '../abort.ts';

export interface Versioned<T> {
  readonly value: T;
  /** Grows with every value, from 1. */
  readonly version: number;
}

/** Lets a loop pull from a stream of which only the newest value matters: a bounded edge of size one, newest wins. */
export class LatestValue<T> implements Disposable {
  #value: Versioned<T> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #wake: () => void = () => undefined;
  #changed = Promise.resolve();
  readonly #subscription: Subscription;
  readonly #whenDone: () => unknown;

  /** `whenDone` gives the error to throw where the stream completes. */
  constructor(source: Observable<T>, whenDone: () => unknown) {
    this.#whenDone = whenDone;
    this.#renew();
    this.#subscription = source.subscribe({
      next: (value) => {
        this.#value = { value, version: (this.#value?.version ?? 0) + 1 };
        this.#renew();
      },
      error: (error: unknown) => {
        this.#failure = { error };
        this.#renew();
      },
      complete: () => {
        this.#failure = { error: this.#whenDone() };
        this.#renew();
      },
    });
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
      await abortable(this.#changed, signal);
    }
  }

  [Symbol.dispose](): void {
    this.#subscription.unsubscribe();
  }

  #renew(): void {
    const wake = this.#wake;
    this.#changed = new Promise((resolve) => {
      this.#wake = resolve;
    });
    wake();
  }
}
