import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { readHeader } from '../head/header-of.ts';
import { expectHash, expectHex } from './expect.ts';
import { RpcSocket } from './rpc-socket.ts';

export interface Opened {
  readonly socket: RpcSocket;
  readonly genesisHash: Hex;
  /** Number of the newest finalized block. */
  readonly finalized: number;
  /** Of one request, ms. */
  readonly latencyMs: number;
}

/** A socket to an endpoint of the chain with this genesis hash, of any where there is none. Throws wrong-chain, node-lies. */
export async function openOnChain(
  url: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal; readonly genesisHash: Hex | undefined },
): Promise<Opened> {
  const socket = await RpcSocket.open(url, options);
  try {
    const start = performance.now();
    const [genesis, finalizedHash] = await Promise.all([
      socket.request('chain_getBlockHash', [0], options),
      socket.request('chain_getFinalizedHead', [], options),
    ]);
    const latencyMs = performance.now() - start;
    const genesisHash = expectHex(genesis, 'chain_getBlockHash');
    if (options.genesisHash !== undefined && genesisHash !== options.genesisHash)
      throw new RelayError('wrong-chain', { details: { url, actual: genesisHash, expected: options.genesisHash } });
    const newest = expectHash(finalizedHash, 'chain_getFinalizedHead');
    const header = readHeader(await socket.request('chain_getHeader', [newest], options), url, newest);
    return { socket, genesisHash, finalized: header.number, latencyMs };
  } catch (error) {
    socket.close('not usable');
    throw error;
  }
}
