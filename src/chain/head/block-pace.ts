/** Silence of so many block times is worth a question. */
const blocksOfSilence = 5;
/** Used until two heads have been seen: five block times of a slot of 6 s. */
const initialMs = 30_000;
const minMs = 6_000;
const maxMs = 120_000;
/** Share of a new interval in the average. */
const newShare = 0.2;

/** Learns how often heads come, and so what silence is unusual. */
export class BlockPace {
  readonly #fixedMs: number | undefined;
  #last: { readonly number: number; readonly at: number } | undefined;
  #blockMs: number | undefined;

  /** `fixedMs`: what to take for unusual instead, ms. */
  constructor(fixedMs?: number) {
    this.#fixedMs = fixedMs;
  }

  /** A head of this number came at `now`, ms. */
  note(number: number, now: number): void {
    const last = this.#last;
    if (last !== undefined && number <= last.number) return;
    this.#last = { number, at: now };
    if (last === undefined) return;
    const blockMs = (now - last.at) / (number - last.number);
    this.#blockMs = this.#blockMs === undefined ? blockMs : this.#blockMs * (1 - newShare) + blockMs * newShare;
  }

  /** Silence after which to ask the node, ms. */
  get silenceMs(): number {
    if (this.#fixedMs !== undefined) return this.#fixedMs;
    if (this.#blockMs === undefined) return initialMs;
    return Math.min(maxMs, Math.max(minMs, this.#blockMs * blocksOfSilence));
  }
}
