import type { Chain, Head } from '../chain/index.ts';
import type { BlockChanges, ChangeSource, ReconcileOptions } from './change-source.ts';

/** Blocks after which what hints missed is looked for. */
const defaultEveryBlocks = 100;
/** Time after which it is, with the next block, ms. */
const defaultEveryMs = 600_000;

/** Hints of each block, and a full comparison every so often or where a hint could not be read. */
export class HintSource implements ChangeSource {
  readonly strategy = 'hints';
  readonly #chain: Chain;
  readonly #now: () => number;
  readonly #everyBlocks: number;
  readonly #everyMs: number;
  #last: { readonly number: number; readonly time: number } | undefined;

  constructor(
    chain: Chain,
    now: () => number,
    { everyBlocks = defaultEveryBlocks, everyMs = defaultEveryMs }: ReconcileOptions = {},
  ) {
    this.#chain = chain;
    this.#now = now;
    this.#everyBlocks = everyBlocks;
    this.#everyMs = everyMs;
  }

  async changesIn(head: Head, signal: AbortSignal): Promise<BlockChanges> {
    const { ids, gatekeepers, complete } = await this.#chain.at(head.hash).touchedWorkers(signal);
    return { ids, gatekeepers, reconcile: !complete || this.#isDue(head) };
  }

  reconciled({ number }: Head): void {
    this.#last = { number, time: this.#now() };
  }

  #isDue({ number }: Head): boolean {
    if (this.#last === undefined) return true;
    return number - this.#last.number >= this.#everyBlocks || this.#now() - this.#last.time >= this.#everyMs;
  }
}
