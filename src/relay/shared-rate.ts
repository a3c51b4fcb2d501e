import type { Rate } from './limits.ts';

// Of what nobody has taken: how far ahead one may be. Alone that is a third of the burst; among n it is one of n + 2 parts.
const partOfFree = 1 / 2;

/**
 * A rate that those share who ask at the time. Each second pays off what they took, evenly: who asks for little has it, and the others
 * have as much as each other of the rest. However few have taken however much, some of the burst is left for who took little
 * (Choudhury and Hahne, Dynamic Queue Length Thresholds for Shared-Memory Packet Switches, 1998).
 */
export class SharedRate {
  readonly #rate: Rate;
  readonly #now: () => number;
  /** Units that each took and that are not paid off; the others are not remembered. */
  readonly #owed = new Map<string, number>();
  #total = 0;
  #paidAt: number;

  constructor(rate: Rate, now: () => number) {
    this.#rate = rate;
    this.#now = now;
    this.#paidAt = now();
  }

  /** Time until one that asks may take more, ms; 0: now. */
  waitMs(who: string): number {
    this.#pay();
    const { perSecond, burst } = this.#rate;
    const own = this.#owed.get(who) ?? 0;
    const most = (burst - this.#total) * partOfFree;
    if (own < most) return 0;
    // What it owes gets less, and what is free more.
    const perMs = (perSecond / 1000) * (partOfFree + (own > 0 ? 1 / this.#owed.size : 0));
    return Math.floor((own - most) / perMs) + 1;
  }

  /** Of who does not have to wait: all at once, however many. */
  take(who: string, units: number): void {
    this.#owed.set(who, (this.#owed.get(who) ?? 0) + units);
    this.#total += units;
  }

  #pay(): void {
    const now = this.#now();
    let rest = (Math.max(0, now - this.#paidAt) / 1000) * this.#rate.perSecond;
    this.#paidAt = now;
    // Again for as long as somebody owed less than its part.
    for (let before = Infinity; rest > 0 && this.#owed.size < before;) {
      before = this.#owed.size;
      rest = this.#payEach(rest / before, rest);
    }
  }

  /** Gives what is left of `rest`. */
  #payEach(part: number, rest: number): number {
    this.#total = 0;
    for (const [who, units] of this.#owed) {
      const paid = Math.min(part, units);
      rest -= paid;
      this.#total += units - paid;
      if (paid === units) this.#owed.delete(who);
      else this.#owed.set(who, units - paid);
    }
    return rest;
  }
}
