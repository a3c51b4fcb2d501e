import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { isInSync, knowsBlock, patience } from './ask-of-branch.ts';
import { isSilence } from './is-silence.ts';

/** Counts how far endpoints go on without a block that they lack. */
export class LagPatience {
  readonly #endpoints: OtherEndpoints;
  /** By endpoint, which block it was seen to lack while it said that it was in sync, and how far it was then. */
  readonly #lacking = new Map<string, { readonly block: Hex; readonly since: BlockNumber }>();

  constructor(endpoints: OtherEndpoints) {
    this.#endpoints = endpoints;
  }

  /**
   * Whether an endpoint that lacks a block, while `number` is told of, may come to have it: until, in sync by its own
   * word, it went on by some blocks without.
   */
  async mayBeBehind(url: string, block: Hex, number: BlockNumber): Promise<boolean> {
    if (!(await this.#isInSync(url))) return true;
    const known = this.#lacking.get(url);
    const lacking = known?.block === block ? known : { block, since: number };
    this.#lacking.set(url, lacking);
    return number - lacking.since < patience;
  }

  /** Whether it lacks the block, and will: as {@link mayBeBehind} has it. */
  async hasParted(url: string, block: Hex, number: BlockNumber): Promise<boolean> {
    try {
      if (await knowsBlock(this.#endpoints, url, block)) return false;
    } catch (error) {
      if (!isSilence(error)) throw error;
      return false;
    }
    return !(await this.mayBeBehind(url, block, number));
  }

  /** False where it does not say: the next head is another occasion. */
  async #isInSync(url: string): Promise<boolean> {
    try {
      return await isInSync(this.#endpoints, url);
    } catch (error) {
      if (!isSilence(error)) throw error;
      return false;
    }
  }
}
