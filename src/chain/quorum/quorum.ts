import type { Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import type { BlockId } from '../head/head.ts';
import type { BlockNumber } from '../block-number.ts';
import type { Trust } from './trust.ts';
import type { Clock } from '../clock.ts';
import type { Connection } from '../rpc/connection.ts';
import { Canvass, type CanvassOptions } from './canvass.ts';
import type { EndpointBlocks } from './endpoint-blocks.ts';
import { votersAgainst, winnerOf } from './count-votes.ts';

/**
 * How long a block that enough endpoints claim to have may lack their votes until a lower one is tried, ms. Doubles with
 * each one that is tried, for endpoints that are slow.
 */
const settleMs = 2_000;
const maxSettleMs = 60_000;

/** How long it is waited for that all endpoints say how far they are, where one begins anywhere, ms. */
const graceMs = 1_000;

/** A vote of an endpoint that has not got (any more) what is asked for. */
export const abstention: Hex = '0x';

/** A question with one true answer. */
export interface Election {
  /** In words, for errors. */
  readonly about: string;
  readonly block: BlockNumber | Hex;
  /** undefined: it can not say yet, and is asked again. */
  readonly ask: (url: string) => Promise<Hex | undefined>;
  /** What an endpoint said, where its vote does not tell. */
  readonly inWords?: (url: string) => string | undefined;
  /** Who has not voted when it is decided is asked until it does, and is left then if its vote is another. Default: no more. */
  readonly asksOn?: boolean;
}

/** A block that endpoints say they have finalized. */
interface Claimed {
  readonly number: BlockNumber;
  readonly by: readonly string[];
}

export interface QuorumParts {
  readonly connection: Connection;
  readonly blocks: EndpointBlocks;
  readonly clock: Clock;
  /** Endpoints that must agree; 1: the one that is used is believed. */
  readonly size: number;
}

/** Finalized blocks that several endpoints agree on: one alone could make up a branch of its own. */
export class Quorum {
  readonly #connection: Connection;
  readonly #blocks: EndpointBlocks;
  readonly #clock: Clock;
  readonly #size: number;
  readonly #canvass: Canvass;
  /** Endpoints that claimed to have a block which came to nothing: as high a claim of theirs counts no more. */
  readonly #vain = new Map<string, BlockNumber>();

  constructor({ connection, blocks, clock, size }: QuorumParts) {
    this.#connection = connection;
    this.#blocks = blocks;
    this.#clock = clock;
    this.#size = size;
    this.#canvass = new Canvass(connection, clock, size);
  }

  get trust(): Trust {
    return this.#size > 1 ? 'quorum' : 'single';
  }

  /**
   * The newest finalized block that enough endpoints agree on, of `from` or later; waits until there is one. An endpoint
   * that has another hash for its number is named in a log and left. Throws no-quorum after `patienceMs` or where too few
   * endpoints are left, endpoints-disagree where all have voted and none wins; aborted, chain-stopped.
   */
  async newest(from: BlockNumber, options: CanvassOptions = {}): Promise<BlockId> {
    const { signal, patienceMs = Infinity } = options;
    const deadline = this.#clock.now() + patienceMs;
    for (let waitMs = settleMs; ; waitMs = Math.min(2 * waitMs, maxSettleMs)) {
      const left = deadline - this.#clock.now();
      const bounded = { signal, patienceMs: Math.min(waitMs, left) };
      let claimed: Claimed | undefined;
      let votes: ReadonlyMap<string, Hex> = new Map();
      try {
        // Without a block to go on from the slow ones are waited for: those that answer first may be far behind.
        if (from === 0) claimed = await this.#claimedByAll({ signal, patienceMs: Math.min(graceMs, left) });
        claimed ??= await this.#claimed(
          from,
          this.#vain.size === 0 ? { signal, patienceMs: left } : bounded,
          (claims) => this.#choice(claims),
        );
        const { number } = claimed;
        const hash = await this.#hashAt(number, bounded, (cast) => (votes = cast));
        for (const [url, claim] of this.#vain) if (claim <= number) this.#vain.delete(url);
        return { number, hash };
      } catch (error) {
        const isOver = this.#present < this.#size || this.#clock.now() >= deadline;
        if (isOver || !isRelayError(error, 'no-quorum')) throw error;
        // Who claims to have that block can not agree on it, and the others do not have it: without them, then.
        if (claimed === undefined) this.#vain.clear();
        else for (const url of vainOf(claimed, votes)) this.#vain.set(url, claimed.number);
        // Too few of the others are there to agree on anything.
        if (this.#present - this.#vain.size < this.#size) this.#vain.clear();
      }
    }
  }

  /** By what those say that answer in time; undefined where they are too few. */
  async #claimedByAll(options: CanvassOptions): Promise<Claimed | undefined> {
    let said: ReadonlyMap<string, BlockNumber> = new Map();
    const decide = (claims: ReadonlyMap<string, BlockNumber>): Claimed | undefined => {
      said = claims;
      return claims.size < this.#present ? undefined : this.#choice(claims);
    };
    try {
      return await this.#claimed(0, options, decide);
    } catch (error) {
      if (!isRelayError(error, 'no-quorum') || this.#present < this.#size) throw error;
      return this.#choice(said);
    }
  }

  #claimed(
    from: BlockNumber,
    options: CanvassOptions,
    decide: (claims: ReadonlyMap<string, BlockNumber>) => Claimed | undefined,
  ): Promise<Claimed> {
    const about = from === 0 ? 'a finalized block' : `a finalized block, ${from} or later`;
    const ask = async (url: string): Promise<BlockNumber | undefined> => {
      const { number: newest } = await this.#blocks.newest(url);
      return newest >= from ? newest : undefined;
    };
    return this.#canvass.hold<BlockNumber, Claimed>({ about, ask, decide }, options);
  }

  /** The highest block that enough endpoints claim to have, vain claims aside. */
  #choice(claims: ReadonlyMap<string, BlockNumber>): Claimed | undefined {
    const counted = [...claims].filter(([url, claim]) => claim < (this.#vain.get(url) ?? Infinity));
    const number = counted.map(([, claim]) => claim).sort((a, b) => b - a)[this.#size - 1];
    if (number === undefined) return undefined;
    return { number, by: counted.filter(([, claim]) => claim >= number).map(([url]) => url) };
  }

  /** The hash of a finalized block that enough endpoints agree on. Throws as {@link newest}. */
  hashAt(number: BlockNumber, options: CanvassOptions = {}): Promise<Hex> {
    return this.#hashAt(number, options, () => undefined);
  }

  /** `onVotes` is called with all votes whenever there is another one. */
  #hashAt(
    number: BlockNumber,
    options: CanvassOptions,
    onVotes: (votes: ReadonlyMap<string, Hex>) => void,
  ): Promise<Hex> {
    const about = `the hash of finalized block ${number}`;
    return this.#elect({ about, block: number, ask: (url) => this.#blocks.hashAt(url, number) }, options, onVotes);
  }

  /**
   * What enough endpoints answer, and more of them than answer anything else; who answers otherwise is left. Throws
   * state-discarded where all have voted, none wins and some have abstained, else as {@link newest}.
   */
  elect(election: Election, options: CanvassOptions = {}): Promise<Hex> {
    return this.#elect(election, options, () => undefined);
  }

  #elect(
    { about, block, ask, inWords, asksOn = false }: Election,
    options: CanvassOptions,
    onVotes: (votes: ReadonlyMap<string, Hex>) => void,
  ): Promise<Hex> {
    const saidBy = (url: string, vote: Hex | undefined): string => inWords?.(url) ?? String(vote);
    const judge = (votes: ReadonlyMap<string, Hex>): Hex | undefined => {
      const cast = new Map([...votes].filter(([, vote]) => vote !== abstention));
      const winner = winnerOf(cast, this.#size);
      if (winner !== undefined)
        for (const url of votersAgainst(cast, winner)) {
          const reason = `it has ${saidBy(url, cast.get(url))} for ${about} where others agree on ${winner}`;
          this.#connection.leave(url, new RelayError('node-lies', { details: { url, block, reason } }));
        }
      return winner;
    };
    const decide = (votes: ReadonlyMap<string, Hex>): Hex | undefined => {
      onVotes(votes);
      const winner = judge(votes);
      if (winner !== undefined || this.#mayBeElected(votes)) return winner;
      const reason = 'too few endpoints have it';
      if ([...votes.values()].includes(abstention))
        throw new RelayError('state-discarded', { details: { block, reason } });
      const said = Array.from(votes, ([url, vote]) => `${url}: ${saidBy(url, vote)}`).join('; ');
      throw new RelayError('endpoints-disagree', { details: { about, block, said } });
    };
    return this.#canvass.hold<Hex, Hex>({ about, ask, decide, late: judge, asksOn }, options);
  }

  /** Whether the votes that are still out could make one a winner: who never says anything sensible holds up nobody. */
  #mayBeElected(votes: ReadonlyMap<string, Hex>): boolean {
    const out = this.#present - votes.size;
    const cast = [...votes.values()].filter((vote) => vote !== abstention);
    const most = Math.max(0, ...cast.map((vote) => cast.filter((other) => other === vote).length));
    return out > 0 && most + out >= this.#size;
  }

  get #present(): number {
    return this.#connection.options.endpoints.filter((url) => !this.#connection.hasLeft(url)).length;
  }
}

/** Who claimed a block in vain: its vote did not come, or there is another against it. */
function vainOf({ by }: Claimed, votes: ReadonlyMap<string, Hex>): readonly string[] {
  const isContested = new Set(votes.values()).size > 1;
  return by.filter((url) => isContested || !votes.has(url));
}
