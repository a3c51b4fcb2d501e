import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { BlockNumber, Head, Trust } from '../chain.ts';
import type { Clock } from '../clock.ts';
import type { Connection } from '../rpc/connection.ts';
import { Canvass, type CanvassOptions } from './canvass.ts';
import type { EndpointBlocks } from './endpoint-blocks.ts';
import { votersAgainst, winnerOf } from './count-votes.ts';

/** A block by number and hash. */
export type BlockId = Pick<Head, 'number' | 'hash'>;

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
  readonly #size: number;
  readonly #canvass: Canvass;

  constructor({ connection, blocks, clock, size }: QuorumParts) {
    this.#connection = connection;
    this.#blocks = blocks;
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
    const number = await this.#canvass.hold(
      {
        about: from === 0 ? 'a finalized block' : `a finalized block, ${from} or later`,
        ask: async (url) => {
          const { number: newest } = await this.#blocks.newest(url);
          return newest >= from ? newest : undefined;
        },
        decide: (numbers) => [...numbers.values()].sort((a, b) => b - a)[this.#size - 1],
      },
      options,
    );
    return { number, hash: await this.hashAt(number, options) };
  }

  /** The hash of a finalized block that enough endpoints agree on. Throws as {@link newest}. */
  async hashAt(number: BlockNumber, options: CanvassOptions = {}): Promise<Hex> {
    const judge = (votes: ReadonlyMap<string, Hex>): Hex | undefined => {
      const winner = winnerOf(votes, this.#size);
      if (winner !== undefined)
        for (const url of votersAgainst(votes, winner)) this.#leave(url, number, votes.get(url), winner);
      return winner;
    };
    return this.#canvass.hold<Hex, Hex>(
      {
        about: `the hash of finalized block ${number}`,
        ask: (url) => this.#blocks.hashAt(url, number),
        decide: (votes) => {
          const winner = judge(votes);
          if (winner === undefined && votes.size >= this.#present) throw disagreement(number, votes);
          return winner;
        },
        late: judge,
      },
      options,
    );
  }

  get #present(): number {
    return this.#connection.options.endpoints.filter((url) => !this.#connection.hasLeft(url)).length;
  }

  #leave(url: string, number: BlockNumber, hash: Hex | undefined, winner: Hex): void {
    const reason = `it has ${String(hash)} as finalized where others agree on ${winner}`;
    this.#connection.leave(url, new RelayError('node-lies', { details: { url, block: number, reason } }));
  }
}

function disagreement(block: BlockNumber, votes: ReadonlyMap<string, Hex>): RelayError {
  const said = Array.from(votes, ([url, hash]) => `${url}: ${hash}`).join('; ');
  return new RelayError('endpoints-disagree', { details: { block, said } });
}
