import { throwIfAborted } from '../abort.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Head } from '../head/head.ts';
import { SeenBranch } from '../head/seen-branch.ts';
import type { Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { knowsBlock } from './ask-of-branch.ts';
import { isSilence } from './is-silence.ts';
import type { LagPatience } from './lag-patience.ts';

export interface LagParts {
  readonly connection: Connection;
  readonly endpoints: OtherEndpoints;
  readonly branch: SeenBranch;
  readonly patience: Pick<LagPatience, 'mayBeBehind'>;
  readonly parentOf: (head: Head) => Promise<Head>;
  readonly signal: AbortSignal;
}

/**
 * Tells a node that is behind from one on another branch, by a best head below all that is remembered of ours. It is taken
 * to be behind until it is shown not to be: our oldest block, or the whole view, would be taken back for nothing.
 */
export class LagWitness {
  readonly #parts: LagParts;
  /** What is below the oldest one of the branch. */
  #past: SeenBranch | undefined;

  constructor(parts: LagParts) {
    this.#parts = parts;
  }

  /** `url` told of the target, `ours` of the branch. Throws aborted, chain-stopped. */
  async isLag(target: Head, url: string, ours: string): Promise<boolean> {
    const { branch, signal } = this.#parts;
    const { oldest } = branch;
    if (oldest === undefined || target.number >= oldest.number) return false;
    try {
      return !(await this.#isParted(target, oldest, url, ours));
    } catch (error) {
      throwIfAborted(signal);
      if (!isSilence(error)) throw error;
      // It can't be told, and the next head is another occasion.
      return true;
    }
  }

  async #isParted(target: Head, oldest: Head, url: string, ours: string): Promise<boolean> {
    const { connection, endpoints, patience } = this.#parts;
    if (await knowsBlock(endpoints, url, oldest.hash)) {
      const below = await this.#below(oldest, target.number);
      return below !== undefined && below.hash !== target.hash;
    }
    // Who told of it is no witness of it: it may have made it up.
    const witnesses = connection.options.endpoints.filter(
      (each) => each !== url && each !== ours && !connection.hasLeft(each),
    );
    const words = await Promise.all(witnesses.map((each) => this.#knows(each, oldest)));
    return !words.includes(true) && !(await patience.mayBeBehind(url, oldest.hash, target.number));
  }

  /** False of one that does not say. */
  async #knows(url: string, { hash }: Head): Promise<boolean> {
    try {
      return await knowsBlock(this.#parts.endpoints, url, hash);
    } catch (error) {
      if (!isSilence(error)) throw error;
      return false;
    }
  }

  /** Of the chain that leads to our oldest block; undefined further down than can be followed. */
  async #below(oldest: Head, number: BlockNumber): Promise<Head | undefined> {
    if (this.#past?.tip !== oldest) this.#past = new SeenBranch(oldest, this.#parts.parentOf);
    await this.#past.reachDown(number);
    return this.#past.at(number);
  }
}
