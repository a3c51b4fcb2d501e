import type { Hex } from '../../codec/index.ts';
import type { BlockId } from '../head/head.ts';
import type { BlockNumber } from '../block-number.ts';
import { headerOf } from '../head/header-of.ts';
import type { Header } from '../head/header.ts';
import { expectHash } from '../rpc/expect.ts';
import type { Connection } from '../rpc/connection.ts';
import type { OtherEndpoints } from '../rpc/other-endpoints.ts';
import { ConnectionLost, RpcError } from '../rpc/rpc-error.ts';
import type { RpcSocket } from '../rpc/rpc-socket.ts';
import { isRelayError } from '../../errors/index.ts';

/** What each endpoint by itself has finalized. */
export class EndpointBlocks {
  readonly #connection: Connection;
  readonly #endpoints: OtherEndpoints;
  readonly #hashOf: (header: Header) => Hex;
  /** Newest finalized block that was told of over a socket: behind a URL another node may answer the next time. */
  readonly #newest = new WeakMap<RpcSocket, BlockId>();

  constructor(connection: Connection, endpoints: OtherEndpoints, hashOf: (header: Header) => Hex) {
    this.#connection = connection;
    this.#endpoints = endpoints;
    this.#hashOf = hashOf;
  }

  /**
   * Throws RpcError, ConnectionLost, rpc-failed for nonsense, wrong-chain, chain-stopped; node-lies where its header is not
   * that of the hash: then it is left.
   */
  async newest(url: string): Promise<BlockId> {
    return this.#newestOver(await this.#endpoints.socket(url));
  }

  /** The highest number that as many of those not in use as must agree, and answer, say they have finalized. */
  furthest(): Promise<BlockNumber> {
    return this.#endpoints.furthest(async (url) => (await this.newest(url)).number);
  }

  /** Of a finalized block; undefined where the endpoint has not finalized it yet. Throws as {@link newest}. */
  async hashAt(url: string, number: BlockNumber): Promise<Hex | undefined> {
    const socket = await this.#endpoints.socket(url);
    const known = this.#newest.get(socket);
    const newest = known !== undefined && known.number >= number ? known : await this.#newestOver(socket);
    if (newest.number < number) return undefined;
    if (newest.number === number) return newest.hash;
    return expectHash(await this.#endpoints.askOn(socket, 'chain_getBlockHash', [number]), 'chain_getBlockHash');
  }

  async #newestOver(socket: RpcSocket): Promise<BlockId> {
    const told = await this.#endpoints.askOn(socket, 'chain_getFinalizedHead');
    const hash = expectHash(told, 'chain_getFinalizedHead');
    const known = this.#newest.get(socket);
    const newest = known?.hash === hash ? known : { number: (await this.#headerOver(socket, hash)).number, hash };
    this.#newest.set(socket, newest);
    this.#connection.noteFinalized(newest.number, socket.url);
    return newest;
  }

  async #headerOver(socket: RpcSocket, hash: Hex): Promise<Header> {
    const header = await this.#endpoints.askOn(socket, 'chain_getHeader', [hash]);
    try {
      return headerOf(hash, header, socket.url, this.#hashOf);
    } catch (error) {
      if (isRelayError(error, 'node-lies')) this.#connection.leave(socket.url, error);
      throw error;
    }
  }

  /** Whether the node at the other end of a socket says so; false where it does not answer. */
  async hasFinalized(socket: RpcSocket, number: BlockNumber): Promise<boolean> {
    if ((this.#newest.get(socket)?.number ?? -1) >= number) return true;
    try {
      return (await this.#newestOver(socket)).number >= number;
    } catch (error) {
      const isSilent =
        error instanceof RpcError ||
        error instanceof ConnectionLost ||
        isRelayError(error, 'rpc-failed') ||
        isRelayError(error, 'node-lies');
      if (!isSilent) throw error;
      return false;
    }
  }
}
