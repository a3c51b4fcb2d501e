import { RelayError } from '../../errors/index.ts';
import { throwIfAborted } from '../abort.ts';
import type { BlockId, Head } from '../head/head.ts';
import { parseHeader } from '../head/header.ts';
import type { SeenBranch } from '../head/seen-branch.ts';
import type { Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { isInSync, knowsBlock, patience } from './ask-of-branch.ts';
import { isSilence } from './is-silence.ts';

/** Between two looks whether others know the branch, ms: time for a block to get to them. */
const lookEveryMs = 3_000;
/** Blocks by which an endpoint must have gone on where as many are against the branch as are for it: another may still make up its mind. */
const longPatience = 2 * patience;

export interface WitnessParts {
  readonly connection: Connection;
  readonly endpoints: OtherEndpoints;
  /** What the node in use told of. */
  readonly branch: SeenBranch;
  readonly signal: AbortSignal;
}

/** Of an endpoint: either up to which block it knows the branch, or by how many blocks it went on without it. */
type Word = { readonly knows: BlockId } | { readonly wentOn: number };

/**
 * Minds that the branch of best blocks of which one node tells is one that others have too. A node can make up blocks whose
 * headers hash and link; what it can't do is make others know them. Where more endpoints are against it than for it, the
 * node is named and left; where it is word against word, another one is used.
 */
export class BranchWitness {
  readonly #parts: WitnessParts;
  /** Who told of the branch. */
  #url = '';
  /** Others know this block of the branch, and so all below it. */
  #known: BlockId | undefined;
  /** How far each endpoint was when it was first seen to lack the branch, since it last knew it. */
  readonly #lacking = new Map<string, number>();
  #isLooking = false;

  constructor(parts: WitnessParts) {
    this.#parts = parts;
  }

  /** To be called when the branch has changed by the word of an endpoint. */
  told(url: string): void {
    if (url !== this.#url) this.#lacking.clear();
    this.#url = url;
    if (this.#isLooking || this.#parts.connection.options.endpoints.length === 1) return;
    this.#isLooking = true;
    this.#look()
      .catch(() => undefined) // Nobody follows any more.
      .finally(() => (this.#isLooking = false));
  }

  /** Until others know all of the branch, or who told of it is not used any more. Throws aborted, chain-stopped. */
  async #look(): Promise<void> {
    const { connection, branch, signal } = this.#parts;
    for (;;) {
      await connection.options.clock.sleep(lookEveryMs, signal);
      throwIfAborted(signal);
      // A reorg took it: up to where the new branch is known is to be found anew.
      if (this.#known !== undefined && !branch.has(this.#known)) this.#known = undefined;
      const [url, block, tip] = [this.#url, this.#oldestUnknown, branch.tip];
      if (block === undefined || tip === undefined || connection.present?.url !== url) return;
      const others = connection.options.endpoints.filter((each) => each !== url && !connection.hasLeft(each));
      const words = await Promise.all(
        others.map(async (each) => [each, await this.#wordOf(each, block, tip)] as const),
      );
      throwIfAborted(signal);
      if (url === this.#url && branch.has(block)) this.#judge(block, words);
    }
  }

  get #oldestUnknown(): Head | undefined {
    const { branch } = this.#parts;
    const known = this.#known;
    return known === undefined ? branch.oldest : branch.at(known.number + 1);
  }

  #judge({ hash, number }: Head, words: readonly (readonly [url: string, word: Word | undefined])[]): void {
    const { connection } = this.#parts;
    const known = words.flatMap(([, word]) => (word !== undefined && 'knows' in word ? word.knows : []));
    const against = words.filter(([, word]) => word !== undefined && 'wentOn' in word).map(([url]) => url);
    const wentOn = Math.min(
      ...words.flatMap(([, word]) => (word !== undefined && 'wentOn' in word ? word.wentOn : [])),
    );
    const inFavour = 1 + known.length;
    const reason = `its best branch has a block that ${against.length} other endpoints lack, which went on by ${wentOn}`;
    if (against.length > inFavour)
      connection.leave(this.#url, new RelayError('node-lies', { details: { url: this.#url, block: hash, reason } }));
    else if (against.length === inFavour && wentOn >= longPatience) {
      const details = { about: `best block ${number}`, said: `${this.#url}: ${hash}; ${reason}` };
      connection.doubt(this.#url, new RelayError('endpoints-disagree', { details }), against);
    } else for (const block of known) if (block.number > (this.#known?.number ?? -1)) this.#known = block;
  }

  /** undefined from one that does not answer, or can't tell yet. */
  async #wordOf(url: string, block: Head, tip: Head): Promise<Word | undefined> {
    try {
      const known = (await this.#knows(url, tip)) ? tip : await this.#newestKnown(url, block, tip);
      if (known !== undefined) {
        this.#lacking.delete(url);
        return { knows: known };
      }
      const { number } = parseHeader(await this.#parts.endpoints.ask(url, 'chain_getHeader'));
      const since = this.#lacking.get(url) ?? number;
      this.#lacking.set(url, since);
      const wentOn = number - since;
      if (wentOn < patience) return undefined;
      // One that is still catching up lacks what all others have.
      return number >= block.number || (await isInSync(this.#parts.endpoints, url)) ? { wentOn } : undefined;
    } catch (error) {
      if (!isSilence(error)) throw error;
      return undefined;
    }
  }

  /** Of the branch from `block` up to a tip that an endpoint lacks: who knows a block knows those below it. */
  async #newestKnown(url: string, block: Head, tip: Head): Promise<Head | undefined> {
    if (block === tip || !(await this.#knows(url, block))) return undefined;
    let known = block;
    for (let lacks = tip.number; lacks - known.number > 1;) {
      const middle = this.#parts.branch.at(known.number + Math.floor((lacks - known.number) / 2));
      if (middle === undefined) break;
      if (await this.#knows(url, middle)) known = middle;
      else lacks = middle.number;
    }
    return known;
  }

  #knows(url: string, { hash }: Head): Promise<boolean> {
    return knowsBlock(this.#parts.endpoints, url, hash);
  }
}
