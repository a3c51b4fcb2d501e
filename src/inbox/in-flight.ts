import type { Sequence } from './stream-item.ts';

/** What may be handed out and not durably acknowledged. */
export interface Bounds {
  readonly count: number;
  /** About. */
  readonly bytes: number;
}

export const defaultBounds: Bounds = { count: 1_024, bytes: 16 * 2 ** 20 };

/** What is counted of one. */
export interface HandedOut {
  readonly bytes: number;
  /** How many were handed out before; set when it is. */
  order: number;
}

/** Deliveries that wait until it is durable that they are acknowledged. */
export class InFlight {
  /** By the sequence as a number: a bigint takes longer to find. In the order in which they were handed out. */
  readonly #deliveries = new Map<number, HandedOut>();
  readonly #most: Bounds;
  #bytes = 0;
  #handedOut = 0;

  constructor(most: Bounds) {
    this.#most = most;
  }

  /** How many were ever handed out. */
  get handedOut(): number {
    return this.#handedOut;
  }

  /** How many more there is room for. */
  get room(): number {
    return this.roomBeside(0, 0);
  }

  /** How many more, once so many with so many bytes are added. */
  roomBeside(added: number, addedBytes: number): number {
    const { count, bytes } = this.#most;
    const size = this.#deliveries.size + added;
    return this.#bytes + addedBytes < bytes ? count - size : size === 0 ? 1 : 0;
  }

  /** When the first of them was handed out, as {@link HandedOut.order}; Infinity where there is none. */
  get oldest(): number {
    const [oldest] = this.#deliveries.values();
    return oldest?.order ?? Infinity;
  }

  has(sequence: Sequence): boolean {
    return this.#deliveries.has(Number(sequence));
  }

  add(sequence: Sequence, delivery: HandedOut): void {
    delivery.order = this.#handedOut++;
    this.#deliveries.set(Number(sequence), delivery);
    this.#bytes += delivery.bytes;
  }

  remove(sequences: readonly Sequence[]): void {
    for (const sequence of sequences) {
      const key = Number(sequence);
      const delivery = this.#deliveries.get(key);
      if (delivery === undefined) continue;
      this.#deliveries.delete(key);
      this.#bytes -= delivery.bytes;
    }
  }
}
