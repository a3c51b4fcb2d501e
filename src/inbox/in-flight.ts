import type { Sequence } from './stream-item.ts';

/** Deliveries handed out and not yet acknowledged, at most … */
const most = 1_024;
/** … and bytes of them, about. */
const mostBytes = 16 * 2 ** 20;

/** Deliveries that wait for their acknowledgement. */
export class InFlight {
  /** Bytes, by the sequence as a number: a bigint takes longer to find. */
  readonly #sizes = new Map<number, number>();
  #bytes = 0;

  /** How many more there is room for. */
  get room(): number {
    return this.#bytes < mostBytes ? most - this.#sizes.size : this.#sizes.size === 0 ? 1 : 0;
  }

  /** The first that was handed out of them; Infinity where there is none. */
  get oldest(): number {
    const [oldest = Infinity] = this.#sizes.keys();
    return oldest;
  }

  has(sequence: Sequence): boolean {
    return this.#sizes.has(Number(sequence));
  }

  add(sequence: Sequence, bytes: number): void {
    this.#sizes.set(Number(sequence), bytes);
    this.#bytes += bytes;
  }

  remove(sequences: readonly Sequence[]): void {
    for (const sequence of sequences) {
      const key = Number(sequence);
      const bytes = this.#sizes.get(key);
      if (bytes === undefined) continue;
      this.#sizes.delete(key);
      this.#bytes -= bytes;
    }
  }

  clear(): void {
    this.#sizes.clear();
    this.#bytes = 0;
  }
}
