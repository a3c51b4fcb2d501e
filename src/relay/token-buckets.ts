import { RelayError } from '../errors/index.ts';
import type { Rate } from './limits.ts';
import { RecentMap } from './recent-map.ts';

interface Bucket {
  tokens: number;
  refilledAt: number;
}

/** A token bucket per key, for so many keys; past that those unused longest are forgotten. */
export class TokenBuckets {
  readonly #buckets: RecentMap<string, Bucket>;
  readonly #scope: string;
  readonly #rate: Rate;
  readonly #now: () => number;

  /** `scope` names the key's kind in errors. */
  constructor(scope: string, rate: Rate, maxKeys: number, now: () => number) {
    this.#scope = scope;
    this.#rate = rate;
    this.#buckets = new RecentMap(maxKeys);
    this.#now = now;
  }

  get size(): number {
    return this.#buckets.size;
  }

  /** Takes so many tokens. Throws rate-limited. */
  take(key: string, units = 1): void {
    const retryAfterMs = this.tryTake(key, units);
    if (retryAfterMs > 0) throw new RelayError('rate-limited', { details: { scope: this.#scope, retryAfterMs } });
  }

  /** Time until there are so many, ms; 0: they were taken. More than a whole burst is taken as a burst. */
  tryTake(key: string, units = 1): number {
    const now = this.#now();
    const { perSecond, burst } = this.#rate;
    const bucket = this.#buckets.get(key) ?? this.#fill(key, now);
    bucket.tokens = Math.min(burst, bucket.tokens + (Math.max(0, now - bucket.refilledAt) / 1000) * perSecond);
    bucket.refilledAt = now;
    const cost = Math.min(units, burst);
    if (bucket.tokens < cost) return Math.ceil(((cost - bucket.tokens) / perSecond) * 1000);
    bucket.tokens -= cost;
    return 0;
  }

  /** For what turned out to be free of charge. */
  giveBack(key: string, units: number): void {
    const bucket = this.#buckets.get(key);
    if (bucket !== undefined) bucket.tokens = Math.min(this.#rate.burst, bucket.tokens + units);
  }

  #fill(key: string, now: number): Bucket {
    const bucket = { tokens: this.#rate.burst, refilledAt: now };
    this.#buckets.set(key, bucket);
    return bucket;
  }
}

const unitBytes = 4096;

/** What so many bytes cost: one for each 4 KiB that they begin. */
export function unitsOf(bytes: number): number {
  return Math.max(1, Math.ceil(bytes / unitBytes));
}

/** What counts as one address: an IPv6 customer has a /64 at least. */
export function addressKey(address: string): string {
  if (!address.includes(':') || address.startsWith('::ffff:')) return address;
  const [head = '', tail] = address.split('::');
  const groups = head.split(':');
  if (tail !== undefined) while (groups.length < 4) groups.push('0');
  return groups.slice(0, 4).join(':');
}
