import { RelayError } from '../errors/index.ts';
import type { Rate } from './limits.ts';

interface Bucket {
  tokens: number;
  refilledAt: number;
}

/** A token bucket per key, for so many keys; past that the one unused longest is forgotten. */
export class TokenBuckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #scope: string;
  readonly #rate: Rate;
  readonly #maxKeys: number;
  readonly #now: () => number;

  /** `scope` names the key's kind in errors. */
  constructor(scope: string, rate: Rate, maxKeys: number, now: () => number) {
    this.#scope = scope;
    this.#rate = rate;
    this.#maxKeys = maxKeys;
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Throws rate-limited. */
  take(key: string): void {
    const retryAfterMs = this.tryTake(key);
    if (retryAfterMs > 0) throw new RelayError('rate-limited', { details: { scope: this.#scope, retryAfterMs } });
  }

  /** Time until there is one, ms; 0: it was taken. */
  tryTake(key: string): number {
    const now = this.#now();
    const { perSecond, burst } = this.#rate;
    const bucket = this.#buckets.get(key) ?? { tokens: burst, refilledAt: now };
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.refilledAt) / 1000) * perSecond);
    bucket.refilledAt = now;
    this.#touch(key, bucket);
    if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1000);
    bucket.tokens -= 1;
    return 0;
  }

  #touch(key: string, bucket: Bucket): void {
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    if (this.#buckets.size <= this.#maxKeys) return;
    for (const oldest of this.#buckets.keys()) {
      this.#buckets.delete(oldest);
      return;
    }
  }
}

/** What counts as one address: an IPv6 customer has a /64 at least. */
export function addressKey(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':');
  if (tail !== undefined) while (groups.length < 4) groups.push('0');
  return groups.slice(0, 4).join(':');
}
