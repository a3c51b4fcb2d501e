import type { Hex } from '../codec/index.ts';

/** Who waits for mail in which mailbox. */
export class Wakers {
  readonly #wakers = new Map<Hex, Set<() => void>>();

  /** Calls `wake` until the returned function is called. */
  add(recipient: Hex, wake: () => void): () => void {
    const wakers = this.#wakers.get(recipient) ?? new Set();
    this.#wakers.set(recipient, wakers.add(wake));
    return () => {
      wakers.delete(wake);
      if (wakers.size === 0 && this.#wakers.get(recipient) === wakers) this.#wakers.delete(recipient);
    };
  }

  wake(recipient: Hex): void {
    for (const wake of this.#wakers.get(recipient) ?? []) wake();
  }

  recipients(): Hex[] {
    return [...this.#wakers.keys()];
  }
}
