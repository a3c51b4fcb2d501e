import type { Hex } from '../codec/index.ts';
import type { MailStore } from '../store/mail-store.ts';
import { pause } from './backoff.ts';

export interface ReplyAcksParts {
  readonly mailStore: Pick<MailStore, 'ack'>;
  /** Most boxes that wait before the connection is held up. */
  readonly limit: number;
  /** Charges the connection's address for one. Time until it may have one, ms; 0: it has it. */
  readonly charge: () => number;
  /** No more is to be read from the connection, or again. */
  readonly hold: (isFull: boolean) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * What one connection is done with in its reply boxes. That is answered by nothing, so nothing of it is refused: it is
 * acknowledged one box at a time, no faster than the address may go, and the connection waits for it.
 */
export class ReplyAcks {
  readonly #parts: ReplyAcksParts;
  readonly #waiting = new Map<Hex, bigint>();
  readonly #stopped = new AbortController();
  #isDraining = false;
  #isFull = false;

  constructor(parts: ReplyAcksParts) {
    this.#parts = parts;
  }

  add(box: Hex, upTo: bigint): void {
    const before = this.#waiting.get(box) ?? 0n;
    if (upTo > before) this.#waiting.set(box, upTo);
    this.#tellFull();
    if (!this.#isDraining) void this.#drain();
  }

  /** The connection is gone: what its address may have at once is still done. */
  stop(): void {
    this.#stopped.abort();
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    try {
      for (const box of this.#waiting.keys()) {
        if (!(await this.#mayGoOn())) break;
        const upTo = this.#waiting.get(box) ?? 0n;
        this.#waiting.delete(box);
        this.#tellFull();
        await this.#parts.mailStore.ack(box, upTo);
      }
    } catch (error) {
      this.#parts.failed(error);
    } finally {
      this.#isDraining = false;
    }
  }

  async #mayGoOn(): Promise<boolean> {
    const { signal } = this.#stopped;
    for (;;) {
      const waitMs = this.#parts.charge();
      if (waitMs === 0) return true;
      if (signal.aborted) return false;
      await pause(waitMs, signal);
    }
  }

  #tellFull(): void {
    const isFull = this.#waiting.size >= (this.#isFull ? this.#parts.limit / 2 : this.#parts.limit);
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    this.#parts.hold(isFull);
  }
}
