import type { Rate } from './limits.ts';
import { RecentMap } from './recent-map.ts';
import { SharedRate } from './shared-rate.ts';
import { WaitPlaces } from './wait-places.ts';

// A part of what a relay grants one address, ours: the rest is for what we forward to it.
const rate: Rate = { perSecond: 200, burst: 1_000 };
const dialUnits = 10;
const mostTunnels = 64;
// Of one that asks: several clients behind one address still have room.
const nearShare = 1 / 4;
const remembered = 10_000;

/** What a tunnel joins, as addresses: names cost nothing. */
export interface TunnelEnds {
  /** Who asks. */
  readonly near: string;
  /** What the endpoint leads to. */
  readonly far: string;
}

/** What all tunnels to one address may take together of what the relay there grants this one's address, in fair parts. */
export class TunnelHosts {
  /** By the address that the tunnels lead to. */
  readonly #places = new Map<string, WaitPlaces>();
  readonly #rates = new RecentMap<string, SharedRate>(remembered);
  readonly #clock: () => number;

  constructor(clock: () => number) {
    this.#clock = clock;
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

  /** Charges who asks for what it says there, and by `own` for all else. Time until it may have so much, ms; 0: it is charged. */
  charge({ near, far }: TunnelEnds, units: number, own: () => number): number {
    const shared = this.#rateOf(far);
    const sharedMs = shared.waitMs(near);
    const waitMs = sharedMs > 0 ? sharedMs : own();
    if (waitMs === 0) shared.take(near, units);
    return waitMs;
  }

  #rateOf(far: string): SharedRate {
    const known = this.#rates.get(far);
    if (known !== undefined) return known;
    const made = new SharedRate(rate, this.#clock);
    this.#rates.set(far, made);
    return made;
  }
}
