import { abortable, throwIfAborted } from '../abort.ts';

/** The next nonce of one account in this process: one signs and posts at a time, the rest queue. */
export class NonceOwner {
  readonly #read: (signal: AbortSignal | undefined) => Promise<number>;
  #next: number | undefined;
  /** Extrinsics posted and not yet seen in a block, by nonce. */
  readonly #posted = new Set<number>();
  #tail: Promise<unknown> = Promise.resolve();

  /** `read` asks the node, which counts what its pool has. */
  constructor(read: (signal: AbortSignal | undefined) => Promise<number>) {
    this.#read = read;
  }

  /** Runs when all that came before has posted. The signal ends the wait for that; once it runs, `use` is waited for. */
  async exclusively<T>(use: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const before = this.#tail;
    const turn = before.then(async () => {
      throwIfAborted(signal);
      return use();
    });
    this.#tail = turn.catch(() => undefined);
    await abortable(before, signal);
    return turn;
  }

  /**
   * With nothing under way the node knows best: a reorg may have taken nonces back. Otherwise it may not know yet what
   * was posted elsewhere.
   */
  async next(signal: AbortSignal | undefined): Promise<number> {
    if (this.#posted.size === 0 || this.#next === undefined) this.#next = await this.#read(signal);
    return this.#next;
  }

  /** A node took it, or may have, or will be given it. */
  underWay(nonce: number): void {
    this.#next = Math.max(this.#next ?? 0, nonce + 1);
    this.#posted.add(nonce);
  }

  /** What became of it is known. */
  settled(nonce: number): void {
    this.#posted.delete(nonce);
  }

  /** Asks the node again; `past` is a nonce that is known to be taken. */
  async resync(signal: AbortSignal | undefined, past?: number): Promise<number> {
    const fresh = await this.#read(signal);
    this.#next = past === undefined ? fresh : Math.max(fresh, past + 1);
    return fresh;
  }

  /** What was counted on did not come in: the next one asks the node. */
  forget(): void {
    this.#next = undefined;
  }
}
