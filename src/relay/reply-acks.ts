import type { Hex } from '../codec/index.ts';
import type { MailStore } from '../store/mail-store.ts';

export interface ReplyAcksParts {
  readonly mailStore: Pick<MailStore, 'ack'>;
  /** Most boxes that wait before the connection is held up. */
  readonly limit: number;
  /** No more is to be read from the connection, or again. */
  readonly hold: (isFull: boolean) => void;
  readonly failed: (error: unknown) => void;
}

/**
 * What one connection is done with in its reply boxes. That is answered by nothing, so nothing of it is refused: it is
 * acknowledged one box at a time, and the connection waits for it.
 */
export class ReplyAcks {
  readonly #parts: ReplyAcksParts;
  readonly #waiting = new Map<Hex, bigint>();
  #isDraining = false;
  #isFull = false;
  #isStopped = false;

  constructor(parts: ReplyAcksParts) {
    this.#parts = parts;
  }

  add(box: Hex, upTo: bigint): void {
    const before = this.#waiting.get(box) ?? 0n;
    if (upTo > before) this.#waiting.set(box, upTo);
    this.#tellFull();
    if (!this.#isDraining) void this.#drain();
  }

  /** The connection is gone: the box whose turn it is is the last. */
  stop(): void {
    this.#isStopped = true;
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    try {
      for (const box of this.#waiting.keys()) {
        if (this.#isStopped) break;
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

  #tellFull(): void {
    const isFull = this.#waiting.size >= (this.#isFull ? this.#parts.limit / 2 : this.#parts.limit);
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    this.#parts.hold(isFull);
  }
}
