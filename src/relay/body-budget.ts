import { RelayError } from '../errors/index.ts';

/** What one request holds. */
export interface BodyLease {
  readonly held: number;
  /** So much more. Throws relay-busy. */
  grow(more: number): void;
  /** So much less. */
  shrink(less: number): void;
  /** Gives all back. Idempotent. */
  end(): void;
  /** Lets go of what it holds, for who holds less; it has ended by then. Where there is none it is left alone. */
  onEvicted: (() => void) | undefined;
}

interface Holder {
  held: number;
  readonly leases: Set<Lease>;
}

// One address can't keep the others out; several clients behind one still have room.
const sharePerAddress = 1 / 8;

/**
 * Bounds the bytes that all hold of one kind, and one address of it: HTTP bodies as they arrive, messages that are not whole or not read.
 * Where all is held, who holds the most makes room for who holds less: a few addresses can't keep the others out.
 */
export class BodyBudget {
  readonly #most: number;
  readonly #what: string;
  readonly #mostPerAddress: number;
  readonly #holders = new Map<string, Holder>();
  #total = 0;

  /** `most`: of all; at least one of `largest` always fits. `what`: for the error, with its unit. */
  constructor(most: number, largest: number, what = 'bytes of requests in flight') {
    this.#what = what;
    this.#most = Math.max(most, largest);
    this.#mostPerAddress = Math.max(most * sharePerAddress, largest);
  }

  lease(address: string): BodyLease {
    return new Lease((lease, more) => {
      if (more > 0) this.#take(address, lease, more);
      else this.#giveBack(address, lease, -more);
    });
  }

  #take(address: string, lease: Lease, more: number): void {
    const holder = this.#holders.get(address) ?? { held: 0, leases: new Set() };
    const own = holder.held + more;
    const refuse = (most: number, whose: string): RelayError =>
      new RelayError('relay-busy', { details: { what: `${most} ${this.#what}${whose}` } });
    if (own > this.#mostPerAddress) throw refuse(this.#mostPerAddress, ' from one address');
    while (this.#total + more > this.#most) if (!this.#evict(own)) throw refuse(this.#most, '');
    holder.held = own;
    if (lease.held === 0) {
      this.#holders.set(address, holder);
      holder.leases.add(lease);
    }
    this.#total += more;
  }

  #giveBack(address: string, lease: Lease, less: number): void {
    const holder = this.#holders.get(address);
    if (holder === undefined) return;
    this.#total -= less;
    holder.held -= less;
    if (lease.held === 0) holder.leases.delete(lease);
    if (holder.held <= 0) this.#holders.delete(address);
  }

  /** Ends the largest lease of the address that holds the most and can let go, where that is more than so much. Gives whether there was one. */
  #evict(own: number): boolean {
    let most = own;
    let largest: Lease | undefined;
    for (const { held, leases } of this.#holders.values()) {
      const found = held > most ? largestEvictable(leases) : undefined;
      if (found !== undefined) [most, largest] = [held, found];
    }
    if (largest === undefined) return false;
    const { onEvicted } = largest;
    largest.end();
    largest.onEvicted = undefined;
    onEvicted?.();
    return true;
  }
}

function largestEvictable(leases: Iterable<Lease>): Lease | undefined {
  let largest: Lease | undefined;
  for (const lease of leases) if (lease.onEvicted !== undefined && lease.held > (largest?.held ?? 0)) largest = lease;
  return largest;
}

class Lease implements BodyLease {
  held = 0;
  onEvicted: (() => void) | undefined;
  readonly #change: (lease: Lease, more: number) => void;

  constructor(change: (lease: Lease, more: number) => void) {
    this.#change = change;
  }

  grow(more: number): void {
    if (more <= 0) return;
    this.#change(this, more);
    this.held += more;
  }

  shrink(less: number): void {
    const given = Math.min(less, this.held);
    if (given <= 0) return;
    this.held -= given;
    this.#change(this, -given);
  }

  end(): void {
    this.shrink(this.held);
  }
}
