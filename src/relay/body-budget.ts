import { RelayError } from '../errors/index.ts';

/** What one request holds. */
export interface BodyLease {
  /** So many bytes more have arrived. Throws relay-busy. */
  grow(bytes: number): void;
  /** Gives all back. Idempotent. */
  end(): void;
}

// One address can't keep the others out; several clients behind one still have room.
const sharePerAddress = 1 / 8;

/** Bounds the bytes of HTTP bodies, or of WebSocket messages that are not whole, of all and of one address, counted as they arrive. */
export class BodyBudget {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #perAddress = new Map<string, number>();
  #total = 0;

  /** `most`: bytes of all; at least one body of `largest` always fits. */
  constructor(most: number, largest: number) {
    this.#most = Math.max(most, largest);
    this.#mostPerAddress = Math.max(most * sharePerAddress, largest);
  }

  lease(address: string): BodyLease {
    let held = 0;
    return {
      grow: (bytes) => {
        this.#take(address, bytes);
        held += bytes;
      },
      end: () => {
        this.#giveBack(address, held);
        held = 0;
      },
    };
  }

  #take(address: string, bytes: number): void {
    const own = (this.#perAddress.get(address) ?? 0) + bytes;
    const refuse = (most: number, whose: string): RelayError =>
      new RelayError('relay-busy', { details: { what: `${most} bytes of requests in flight${whose}` } });
    if (own > this.#mostPerAddress) throw refuse(this.#mostPerAddress, ' from one address');
    if (this.#total + bytes > this.#most) throw refuse(this.#most, '');
    this.#perAddress.set(address, own);
    this.#total += bytes;
  }

  #giveBack(address: string, bytes: number): void {
    if (bytes === 0) return;
    this.#total -= bytes;
    const left = (this.#perAddress.get(address) ?? bytes) - bytes;
    if (left > 0) this.#perAddress.set(address, left);
    else this.#perAddress.delete(address);
  }
}
