import { RelayError } from '../errors/index.ts';

/** What one request holds. */
export interface BodyLease {
  /** So much more. Throws relay-busy. */
  grow(more: number): void;
  /** So much less. */
  shrink(less: number): void;
  /** Gives all back. Idempotent. */
  end(): void;
}

// One address can't keep the others out; several clients behind one still have room.
const sharePerAddress = 1 / 8;

/** Bounds what all hold of one kind, and one address of it: HTTP bodies as they arrive, messages that are not whole or not read, waits. */
export class BodyBudget {
  readonly #most: number;
  readonly #what: string;
  readonly #mostPerAddress: number;
  readonly #perAddress = new Map<string, number>();
  #total = 0;

  /** `most`: of all; at least one of `largest` always fits. `what`: for the error, with its unit. */
  constructor(most: number, largest: number, what = 'bytes of requests in flight') {
    this.#what = what;
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
      shrink: (less) => {
        this.#giveBack(address, less);
        held -= less;
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
      new RelayError('relay-busy', { details: { what: `${most} ${this.#what}${whose}` } });
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
