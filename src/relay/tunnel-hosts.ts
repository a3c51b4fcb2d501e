import { TokenBuckets } from './token-buckets.ts';

// A part of what a relay grants one address, ours: the rest is for what we forward to it.
const rate = { perSecond: 200, burst: 1_000 };
const dialUnits = 10;
const mostTunnels = 64;
const rememberedHosts = 10_000;

/** What all tunnels to one host may take together of what the relay there grants this one's address. */
export class TunnelHosts {
  readonly #open = new Map<string, number>();
  readonly #buckets: TokenBuckets;

  constructor(clock: () => number) {
    this.#buckets = new TokenBuckets('tunnel', rate, rememberedHosts, clock);
  }

  /** A place for one more. False: there is none now. */
  take(endpoint: string): boolean {
    const host = hostOf(endpoint);
    const open = this.#open.get(host) ?? 0;
    if (open >= mostTunnels || this.#buckets.tryTake(host, dialUnits) > 0) return false;
    this.#open.set(host, open + 1);
    return true;
  }

  giveBack(endpoint: string): void {
    const host = hostOf(endpoint);
    const open = (this.#open.get(host) ?? 1) - 1;
    if (open === 0) this.#open.delete(host);
    else this.#open.set(host, open);
  }

  /** Charges the host, then by `near` who asks. Time until both may have so much, ms; 0: they are charged. */
  charge(endpoint: string, units: number, near: () => number): number {
    const host = hostOf(endpoint);
    const waitMs = this.#buckets.tryTake(host, units);
    if (waitMs > 0) return waitMs;
    const nearMs = near();
    if (nearMs > 0) this.#buckets.giveBack(host, units);
    return nearMs;
  }
}

function hostOf(endpoint: string): string {
  return new URL(endpoint).host;
}
