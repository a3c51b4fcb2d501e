import type { Hex } from '../codec/index.ts';

type Waker<T> = (what: T) => void;

/** Who waits for what happens to which mailbox; `T`: what is told of it. */
export class Wakers<T = void> {
  /** As a rule there is one, and of those many. */
  readonly #wakers = new Map<Hex, Waker<T> | Set<Waker<T>>>();

  /** Calls `wake` until the returned function is called. */
  add(recipient: Hex, wake: Waker<T>): () => void {
    const known = this.#wakers.get(recipient);
    if (known === undefined) this.#wakers.set(recipient, wake);
    else if (known instanceof Set) known.add(wake);
    else this.#wakers.set(recipient, new Set([known, wake]));
    return () => {
      this.#remove(recipient, wake);
    };
  }

  has(recipient: Hex): boolean {
    return this.#wakers.has(recipient);
  }

  wake(recipient: Hex, what: T): void {
    const known = this.#wakers.get(recipient);
    if (known instanceof Set) for (const wake of known) wake(what);
    else known?.(what);
  }

  #remove(recipient: Hex, wake: Waker<T>): void {
    const known = this.#wakers.get(recipient);
    if (known instanceof Set) known.delete(wake);
    if (known === wake || (known instanceof Set && known.size === 0)) this.#wakers.delete(recipient);
  }

  recipients(): Hex[] {
    return [...this.#wakers.keys()];
  }
}
