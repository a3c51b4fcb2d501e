import type { BlockNumber } from '../block-number.ts';
import type { Head } from './head.ts';

/** Heads that are remembered: the deepest reorg that can be taken back. */
export const rememberedHeads = 1024;

/** Consecutive heads that a reader was given and that were not taken back: the newest of them, and older ones as needed. */
export class SeenBranch {
  readonly #heads: Head[];
  readonly #parentOf: ((head: Head) => Promise<Head>) | undefined;

  /**
   * `seen`: the last one of an earlier run. `parentOf` reads what that run was given before; without it there is nothing
   * before.
   */
  constructor(seen?: Head, parentOf?: (head: Head) => Promise<Head>) {
    this.#heads = seen === undefined ? [] : [seen];
    this.#parentOf = parentOf;
  }

  get tip(): Head | undefined {
    return this.#heads.at(-1);
  }

  get oldest(): Head | undefined {
    return this.#heads[0];
  }

  /** Whether nothing was given before the oldest one, so that all of it can be taken back without reading any. */
  get isWhole(): boolean {
    return this.#parentOf === undefined;
  }

  at(number: BlockNumber): Head | undefined {
    return this.oldest && this.#heads[number - this.oldest.number];
  }

  has({ number, hash }: Pick<Head, 'number' | 'hash'>): boolean {
    return this.at(number)?.hash === hash;
  }

  /** Reads older ones, down to a number, as far as they are remembered. */
  async reachDown(number: BlockNumber): Promise<void> {
    if (this.#parentOf === undefined) return;
    for (let { oldest } = this; oldest !== undefined && oldest.number > number; oldest = this.oldest) {
      if (this.#heads.length >= 2 * rememberedHeads) return;
      this.#heads.unshift(await this.#parentOf(oldest));
    }
  }

  push(head: Head): void {
    this.#heads.push(head);
    if (this.#heads.length > 2 * rememberedHeads) this.#heads.splice(0, rememberedHeads);
  }

  /** Takes out those above a number, newest first. */
  *retractDownTo(number: BlockNumber): Generator<Head> {
    for (let { tip } = this; tip !== undefined && tip.number > number; tip = this.tip) {
      this.#heads.pop();
      yield tip;
    }
  }
}
