import type { Hex } from '../codec/index.ts';

/** Who reads which mailbox in this process: the newest claim counts. */
export class Readers {
  readonly #lost = new Map<Hex, () => void>();

  /** Ends the claim before; gives what ends this one. */
  claim(recipient: Hex, lost: () => void): () => void {
    const before = this.#lost.get(recipient);
    this.#lost.set(recipient, lost);
    before?.();
    return () => {
      if (this.#lost.get(recipient) === lost) this.#lost.delete(recipient);
    };
  }

  /** Ends the claim there is. */
  lose(recipient: Hex): void {
    const lost = this.#lost.get(recipient);
    this.#lost.delete(recipient);
    lost?.();
  }
}
