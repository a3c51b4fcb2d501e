import type { Hex } from '../../codec/index.ts';
import type { ChainLogger } from '../logger.ts';
import type { BlockNumber } from '../block-number.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import type { EndpointBlocks } from './endpoint-blocks.ts';
import { isInSync, knowsBlock, patience } from './ask-of-branch.ts';
import { isSilence } from './is-silence.ts';

interface Lacking {
  readonly block: Hex;
  readonly since: BlockNumber;
}

/** Counts how far endpoints go on without a block that they lack. */
export class LagPatience {
  readonly #endpoints: Pick<OtherEndpoints, 'ask'>;
  readonly #finalized: Pick<EndpointBlocks, 'newest'>;
  /** By endpoint, which block it was seen to lack while it said that it was in sync, and how far it was then. */
  readonly #lacking = new Map<string, Lacking>();
  /** … while it did not say that it is in sync. */
  readonly #syncing = new Map<string, Lacking>();
  readonly #logger: ChainLogger;

  /** `finalized`: what each endpoint by itself has. */
  constructor(endpoints: Pick<OtherEndpoints, 'ask'>, finalized: Pick<EndpointBlocks, 'newest'>, logger: ChainLogger) {
    this.#logger = logger;
    this.#endpoints = endpoints;
    this.#finalized = finalized;
  }

  /**
   * Whether an endpoint that lacks a block, while `number` is told of, may come to have it: until, in sync by its own
   * word, it went on by some blocks without. One that goes on so and never says that is warned of.
   */
  async mayBeBehind(url: string, block: Hex, number: BlockNumber): Promise<boolean> {
    if (!(await this.#isInSync(url))) {
      this.#warnOf(url, block, number);
      return true;
    }
    this.#syncing.delete(url);
    const known = this.#lacking.get(url);
    const lacking = known?.block === block ? known : { block, since: number };
    this.#lacking.set(url, lacking);
    return number - lacking.since < patience;
  }

  /**
   * An endpoint that lacks the block, and will: as {@link mayBeBehind} has it, by what it has finalized itself. undefined
   * where there is none, or another one knows the block.
   */
  async firstParted(urls: readonly string[], block: Hex): Promise<string | undefined> {
    const words = await Promise.all(urls.map((url) => this.#wordOn(url, block)));
    return words.includes('known') ? undefined : urls.find((_, i) => words[i] === 'parted');
  }

  async #wordOn(url: string, block: Hex): Promise<'known' | 'parted' | undefined> {
    try {
      if (await knowsBlock(this.#endpoints, url, block)) return 'known';
      const { number } = await this.#finalized.newest(url);
      return (await this.mayBeBehind(url, block, number)) ? undefined : 'parted';
    } catch (error) {
      if (!isSilence(error)) throw error;
      return undefined;
    }
  }

  /** Each time that it went on so far. */
  #warnOf(url: string, block: Hex, number: BlockNumber): void {
    const known = this.#syncing.get(url);
    const wentOn = known?.block === block ? number - known.since : 0;
    if (known?.block !== block || wentOn >= patience) this.#syncing.set(url, { block, since: number });
    if (wentOn >= patience)
      this.#logger.warn(
        { url, block },
        'endpoint lacks a block that was seen and does not say that it is in sync, it is waited for',
      );
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
