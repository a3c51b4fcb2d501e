import type { Hex } from '../../codec/index.ts';
import type { BlockId } from '../head/head.ts';
import type { BlockNumber } from '../block-number.ts';
import { parseHeader } from '../head/header.ts';
import { expectHash } from '../rpc/expect.ts';
import type { Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import { isRelayError } from '../../errors/index.ts';

/** What each endpoint by itself has finalized. */
export class EndpointBlocks {
  readonly #connection: Connection;
  readonly #endpoints: OtherEndpoints;
  /** Newest finalized block that each endpoint told of. */
  readonly #newest = new Map<string, BlockId>();

  constructor(connection: Connection, endpoints: OtherEndpoints) {
    this.#connection = connection;
    this.#endpoints = endpoints;
  }

  /** Throws RpcError, ConnectionLost, rpc-failed for nonsense, wrong-chain, chain-stopped. */
  async newest(url: string): Promise<BlockId> {
    const hash = expectHash(await this.#endpoints.ask(url, 'chain_getFinalizedHead'), 'chain_getFinalizedHead');
    const known = this.#newest.get(url);
    if (known?.hash === hash) return known;
    const { number } = parseHeader(await this.#endpoints.ask(url, 'chain_getHeader', [hash]));
    const newest = { number, hash };
    this.#newest.set(url, newest);
    this.#connection.noteFinalized(number, url);
    return newest;
  }

  /** Of a finalized block; undefined where the endpoint has not finalized it yet. Throws as {@link newest}. */
  async hashAt(url: string, number: BlockNumber): Promise<Hex | undefined> {
    const known = this.#newest.get(url);
    const newest = known !== undefined && known.number >= number ? known : await this.newest(url);
    if (newest.number < number) return undefined;
    if (newest.number === number) return newest.hash;
    return expectHash(await this.#endpoints.ask(url, 'chain_getBlockHash', [number]), 'chain_getBlockHash');
  }

  /** Whether an endpoint says so; false where it does not answer. */
  async hasFinalized(url: string, number: BlockNumber): Promise<boolean> {
    if ((this.#connection.health.finalizedBy(url) ?? -1) >= number) return true;
    try {
      return (await this.newest(url)).number >= number;
    } catch (error) {
      const isSilent =
        error instanceof RpcError || error instanceof ConnectionLost || isRelayError(error, 'rpc-failed');
      if (!isSilent) throw error;
      return false;
    }
  }
}
