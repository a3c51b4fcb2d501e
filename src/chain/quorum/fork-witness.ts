import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { abortable } from '../abort.ts';
import type { BlockNumber } from '../block-number.ts';
import type { BlockId } from '../head/head.ts';
import { oldestWhere } from '../probe/oldest-where.ts';
import type { Connection } from '../rpc/connection.ts';
import type { EndpointBlocks } from './endpoint-blocks.ts';
import { isSilence } from './is-silence.ts';

export interface Fork {
  /** A finalized block that was given. */
  readonly given: BlockId;
  /** Who told of it; empty where that is not known. */
  readonly giver: string;
  /** Who told of a later finalized head that does not descend from it. */
  readonly teller: string;
}

/**
 * passed: the later head is not to be believed, and whoever told of it is named. made up: the given one was, and its giver
 * is named. open: nobody has the given block, and too few have another one to tell who is wrong.
 */
export type ForkVerdict = 'passed' | 'made up' | 'open';

type ForkConnection = Pick<Connection, 'options' | 'hasLeft' | 'leave' | 'doubt'>;

/** Whom to believe where one finalized head, told of by one node, does not follow another: asked only then. */
export class ForkWitness {
  readonly #connection: ForkConnection;
  readonly #finalized: Pick<EndpointBlocks, 'hashAt'>;

  /** `finalized`: what each endpoint by itself has. */
  constructor(connection: ForkConnection, finalized: Pick<EndpointBlocks, 'hashAt'>) {
    this.#connection = connection;
    this.#finalized = finalized;
  }

  /** Throws aborted, chain-stopped. */
  async judge({ given, giver, teller }: Fork, signal: AbortSignal): Promise<ForkVerdict> {
    const { inFavour, against } = await this.#wordsOn(given, signal);
    const block = given.hash;
    if (inFavour.includes(teller)) {
      this.#name(teller, block, 'it told of a finalized head that does not descend from it, and has it itself');
      return 'passed';
    }
    // One alone can say so of one that was caught already.
    const enough = this.#connection.hasLeft(giver) ? 1 : 2;
    if (against.length >= enough && against.length > inFavour.length) {
      const reason = `it was given as finalized block ${given.number}, for which ${against.length} endpoints have another`;
      for (const url of new Set([giver, ...inFavour])) if (url !== '') this.#name(url, block, reason);
      return 'made up';
    }
    if (inFavour.length === 0) return 'open';
    if (inFavour.length > 1)
      this.#name(teller, block, `it told of a finalized head beside it, and ${inFavour.length} others have it`);
    else {
      const said = `${teller} told of a finalized head beside ${block}, which ${inFavour.join(', ')} has`;
      const details = { about: `finalized block ${given.number}`, said };
      this.#connection.doubt(teller, new RelayError('endpoints-disagree', { details }), inFavour);
    }
    return 'passed';
  }

  /**
   * Whether a block that was given is only its giver's, of whom others are far behind as they go on. Then another one is
   * used. Throws aborted, chain-stopped.
   */
  async isLone({ given, giver, teller }: Fork, signal: AbortSignal): Promise<boolean> {
    if (!isOnlyOf(giver, await this.#wordsOn(given, signal))) return false;
    const said = `${giver} told of it, which no other has finalized, and ${teller} went on below it`;
    const details = { about: `finalized block ${given.number}`, said };
    this.#connection.doubt(giver, new RelayError('endpoints-disagree', { details }), [teller]);
    return true;
  }

  /**
   * Which of consecutive blocks that were given, by their places, is the first that was made up: it is known of the `newest`
   * one. What nobody says anything of counts as true; of what is only `lone`'s somebody else says that it has not finalized
   * it. Throws aborted, chain-stopped.
   */
  firstMadeUp(
    [oldest, newest]: readonly [oldest: number, newest: number],
    blockAt: (place: number) => BlockId,
    signal: AbortSignal,
    lone?: string,
  ): Promise<number> {
    return oldestWhere(oldest, newest, async (place) => {
      const words = await this.#wordsOn(blockAt(place), signal);
      return words.against.length > words.inFavour.length || (lone !== undefined && isOnlyOf(lone, words));
    });
  }

  /**
   * Names an endpoint that told of a finalized block which nobody else had, now that others have finalized that number, where
   * theirs is another. Throws aborted, chain-stopped.
   */
  async holdAgainst(told: BlockId, teller: string, signal: AbortSignal): Promise<void> {
    const { inFavour, against } = await this.#wordsOn(told, signal);
    if (against.length < 2 || against.length <= inFavour.length) return;
    const reason = `it told of it as finalized block ${told.number}, for which ${against.length} endpoints have another`;
    this.#name(teller, told.hash, reason);
  }

  /** The only endpoint is believed the next time. */
  #name(url: string, block: string, reason: string): void {
    const { endpoints, logger } = this.#connection.options;
    if (endpoints.length === 1) logger.warn({ url, block, reason }, 'endpoint contradicts itself');
    else this.#connection.leave(url, new RelayError('node-lies', { details: { url, block, reason } }));
  }

  async #wordsOn({ number, hash }: BlockId, signal: AbortSignal): Promise<Words> {
    const urls = this.#connection.options.endpoints.filter((url) => !this.#connection.hasLeft(url));
    const hashes = await abortable(Promise.all(urls.map((url) => this.#hashFrom(url, number))), signal);
    const saying = (word: (hash: Hex | undefined | 'silent') => boolean): string[] =>
      urls.filter((_, i) => word(hashes[i]));
    return {
      inFavour: saying((said) => said === hash),
      against: saying((said) => said !== hash && said !== undefined && said !== 'silent'),
      behind: saying((said) => said === undefined),
    };
  }

  /** undefined of one that has not finalized that number. */
  async #hashFrom(url: string, number: BlockNumber): Promise<Hex | undefined | 'silent'> {
    try {
      return await this.#finalized.hashAt(url, number);
    } catch (error) {
      if (!isSilence(error)) throw error;
      return 'silent';
    }
  }
}

/** Endpoints by what they say of a finalized block; those that don't answer are in none. */
interface Words {
  /** They have it. */
  readonly inFavour: readonly string[];
  /** They have another one of its number. */
  readonly against: readonly string[];
  /** They have none of its number yet. */
  readonly behind: readonly string[];
}

/** Whether some other endpoint says that it has not finalized the block, and none that it has. */
function isOnlyOf(url: string, { inFavour, against, behind }: Words): boolean {
  return inFavour.every((each) => each === url) && [...against, ...behind].some((each) => each !== url);
}
