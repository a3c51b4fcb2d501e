import { RelayError } from '../errors/index.ts';

interface Wait {
  readonly evicted: (error: RelayError) => void;
}

/** The oldest wait comes first. */
type Holder = Set<Wait>;

// One address can't keep the others out; several clients behind one still have room.
const defaultShare = 1 / 8;

/**
 * Bounds what all addresses hold for long, and what one does, of one kind: waits, or tunnels to other relays. Where all places are taken, the address that has the most gives its
 * oldest to who has fewer: a few addresses can't keep the others out. Each step takes the same time, however many wait.
 */
export class WaitPlaces {
  readonly #most: number;
  readonly #mostPerAddress: number;
  readonly #what: string;
  readonly #holders = new Map<string, Holder>();
  /** By the number of their waits. */
  readonly #bySize = new Map<number, Set<Holder>>();
  #largest = 0;
  #total = 0;

  /** `most`: of all. `what`: for the error. `share`: of one address, default an eighth. */
  constructor(most: number, what: string, share = defaultShare) {
    this.#most = most;
    this.#mostPerAddress = Math.max(1, Math.floor(most * share));
    this.#what = what;
  }

  /** Nobody has a place. */
  get isEmpty(): boolean {
    return this.#total === 0;
  }

  /** Whether an address would get a place now, be it another's. */
  hasRoom(address: string): boolean {
    const own = (this.#holders.get(address)?.size ?? 0) + 1;
    return own <= this.#mostPerAddress && (this.#total < this.#most || this.#largest > own);
  }

  /**
   * A place of an address, until the returned function is called, which is idempotent. `evicted` is called with relay-busy when the place
   * is another's. Throws relay-busy.
   */
  take(address: string, evicted: (error: RelayError) => void): () => void {
    const own = (this.#holders.get(address)?.size ?? 0) + 1;
    if (own > this.#mostPerAddress) throw this.#busy(this.#mostPerAddress, ' from one address');
    while (this.#total >= this.#most) if (!this.#evict(own)) throw this.#busy(this.#most);
    const holder: Holder = this.#holders.get(address) ?? new Set();
    this.#holders.set(address, holder);
    const wait = { evicted };
    holder.add(wait);
    this.#resized(holder, 1);
    return () => {
      if (!holder.delete(wait)) return;
      this.#resized(holder, -1);
      if (holder.size === 0) this.#holders.delete(address);
    };
  }

  /** Ends the oldest wait of an address that has the most, where that is more than so many. Gives whether there was one. */
  #evict(own: number): boolean {
    const [holder] = this.#bySize.get(this.#largest) ?? [];
    const [oldest] = holder ?? [];
    if (holder === undefined || oldest === undefined || holder.size <= own) return false;
    holder.delete(oldest);
    this.#resized(holder, -1);
    oldest.evicted(this.#busy(this.#most));
    return true;
  }

  /** It has one more, or one less. */
  #resized(holder: Holder, more: 1 | -1): void {
    const { size } = holder;
    this.#total += more;
    const before = this.#bySize.get(size - more);
    before?.delete(holder);
    if (before?.size === 0) this.#bySize.delete(size - more);
    if (size > 0) {
      const now = this.#bySize.get(size) ?? new Set();
      this.#bySize.set(size, now.add(holder));
    }
    // It changes by one at a time: whoever was the largest still has all but one.
    if (size > this.#largest) this.#largest = size;
    else if (!this.#bySize.has(this.#largest)) this.#largest -= 1;
  }

  #busy(most: number, whose = ''): RelayError {
    return new RelayError('relay-busy', { details: { what: `${most} ${this.#what}${whose}` } });
  }
}
