import { isRelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Head } from '../head/head.ts';
import { SeenBranch } from '../head/seen-branch.ts';
import type { Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { isInSync, knowsBlock, patience } from './ask-of-branch.ts';

export interface LagParts {
  readonly connection: Connection;
  readonly endpoints: OtherEndpoints;
  readonly branch: SeenBranch;
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
  /** Who was seen to lack our oldest block while it said that it was in sync, and how far it was then. */
  #lacking: { readonly url: string; readonly oldest: Head; readonly since: BlockNumber } | undefined;

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
      if (isRelayError(error, 'chain-stopped')) throw error;
      // It can't be told, and the next head is another occasion.
      return true;
    }
  }

  async #isParted(target: Head, oldest: Head, url: string, ours: string): Promise<boolean> {
    const { connection, endpoints, branch } = this.#parts;
    if (await knowsBlock(endpoints, url, oldest.hash)) {
      const below = await this.#below(oldest, target.number);
      return below !== undefined && below.hash !== target.hash;
    }
    const others = connection.options.endpoints.filter((each) => each !== url && !connection.hasLeft(each));
    // Who told of it is no witness of it: it may have made it up.
    const witnesses = others.filter((each) => each !== ours);
    const words = await Promise.all(
      witnesses.map((each) => knowsBlock(endpoints, each, oldest.hash).catch(() => false)),
    );
    if (words.includes(true) || !(await isInSync(endpoints, url))) return false;
    // There may be several nodes behind one URL. What an earlier run was given only one that has it can take back.
    if (others.length === 0 && branch.isWhole) return true;
    if (this.#lacking?.url !== url || this.#lacking.oldest !== oldest)
      this.#lacking = { url, oldest, since: target.number };
    return target.number - this.#lacking.since >= patience;
  }

  /** Of the chain that leads to our oldest block; undefined further down than can be followed. */
  async #below(oldest: Head, number: BlockNumber): Promise<Head | undefined> {
    if (this.#past?.tip !== oldest) this.#past = new SeenBranch(oldest, this.#parts.parentOf);
    await this.#past.reachDown(number);
    return this.#past.at(number);
  }
}
