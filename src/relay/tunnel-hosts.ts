import { TokenBuckets } from './token-buckets.ts';

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
const mostTunnelsOfNear = 16;
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
  readonly #open = new Map<string, number>();
  readonly #buckets: TokenBuckets;
  readonly #nearBuckets: TokenBuckets;

  constructor(clock: () => number) {
    this.#buckets = new TokenBuckets('tunnel', rate, remembered, clock);
    this.#nearBuckets = new TokenBuckets('tunnel', nearRate, remembered, clock);
  }

  /** A place for one more. False: there is none now. */
  take(ends: TunnelEnds): boolean {
    const pair = pairOf(ends);
    const [open, ofNear] = [this.#open.get(ends.far) ?? 0, this.#open.get(pair) ?? 0];
    if (open >= mostTunnels || ofNear >= mostTunnelsOfNear || this.charge(ends, dialUnits, () => 0) > 0) return false;
    this.#open.set(ends.far, open + 1);
    this.#open.set(pair, ofNear + 1);
    return true;
  }

  giveBack(ends: TunnelEnds): void {
    for (const key of [ends.far, pairOf(ends)]) {
      const open = (this.#open.get(key) ?? 1) - 1;
      if (open === 0) this.#open.delete(key);
      else this.#open.set(key, open);
    }
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
