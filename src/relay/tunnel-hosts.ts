import { TokenBuckets } from './token-buckets.ts';
import { WaitPlaces } from './wait-places.ts';

interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

// A part of what a relay grants one address, ours: the rest is for what we forward to it.
const rate: Rate = { perSecond: 200, burst: 1_000 };
const dialUnits = 10;
const mostTunnels = 64;
// Of one that asks: it can't keep the others out.
const nearRate: Rate = { perSecond: 50, burst: 250 };
const nearShare = 1 / 4;
const remembered = 10_000;

/** What a tunnel joins, as addresses: names cost nothing. */
export interface TunnelEnds {
  /** Who asks. */
  readonly near: string;
  /** What the endpoint leads to. */
  readonly far: string;
}

/** What all tunnels to one address may take together of what the relay there grants this one's address; a quarter of it by one address. */
export class TunnelHosts {
  /** By the address that the tunnels lead to. */
  readonly #places = new Map<string, WaitPlaces>();
  readonly #buckets: TokenBuckets;
  readonly #nearBuckets: TokenBuckets;

  constructor(clock: () => number) {
    this.#buckets = new TokenBuckets('tunnel', rate, remembered, clock);
    this.#nearBuckets = new TokenBuckets('tunnel', nearRate, remembered, clock);
  }

  /**
   * A place for one more, until the returned function is called, which is idempotent; undefined: there is none now. `evicted` is called
   * when the place is for who has fewer.
   */
  take({ near, far }: TunnelEnds, evicted: () => void): (() => void) | undefined {
    const places = this.#places.get(far) ?? new WaitPlaces(mostTunnels, 'tunnels to one address', nearShare);
    if (!places.hasRoom(near) || this.charge({ near, far }, dialUnits, () => 0) > 0) return undefined;
    this.#places.set(far, places);
    const leave = places.take(near, evicted);
    return () => {
      leave();
      if (places.isEmpty && this.#places.get(far) === places) this.#places.delete(far);
    };
  }

  /** Charges both ends, then by `own` who asks for all else. Time until all may have so much, ms; 0: they are charged. */
  charge(ends: TunnelEnds, units: number, own: () => number): number {
    const pair = pairOf(ends);
    const pairMs = this.#nearBuckets.tryTake(pair, units);
    if (pairMs > 0) return pairMs;
    const farMs = this.#buckets.tryTake(ends.far, units);
    const waitMs = farMs > 0 ? farMs : own();
    if (waitMs === 0) return 0;
    this.#nearBuckets.giveBack(pair, units);
    if (farMs === 0) this.#buckets.giveBack(ends.far, units);
    return waitMs;
  }
}

function pairOf({ near, far }: TunnelEnds): string {
  return `${near} ${far}`;
}
