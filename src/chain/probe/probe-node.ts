import type { Hex } from '../../codec/index.ts';
import type { BlockNumber } from '../block-number.ts';
import type { HeadReader } from '../head/head-reader.ts';
import type { Connection } from '../rpc/connection.ts';
import { RpcError } from '../rpc/rpc-error.ts';
import { blockBytes, blockWeight } from '../runtime/block-limits.ts';
import type { RuntimeCache } from '../runtime/runtime-cache.ts';
import { storagePrefix } from '../storage/storage-key.ts';
import type { ProvenBlock } from '../trie/proof-reader.ts';
import type { NodeCapabilities, Offered } from './capabilities.ts';
import { oldestWhere } from './oldest-where.ts';
import { describePallets } from './pallet-shape.ts';
import { proofsHold } from './proofs-hold.ts';

export interface ProbeParts {
  readonly connection: Connection;
  readonly reader: HeadReader;
  readonly runtimes: RuntimeCache;
}

/** Methods without which something here does not work. */
const usedMethods = [
  'author_submitAndWatchExtrinsic',
  'author_submitExtrinsic',
  'chain_getBlock',
  'chain_getBlockHash',
  'chain_getFinalizedHead',
  'chain_getHeader',
  'chain_subscribeFinalizedHeads',
  'chain_subscribeNewHeads',
  'state_call',
  'state_getKeysPaged',
  'state_getMetadata',
  'state_getReadProof',
  'state_getRuntimeVersion',
  'state_queryStorageAt',
  'system_accountNextIndex',
] as const;

/** In every state from the first block on. */
const presentKey = storagePrefix('System', 'Number');
const methodNotFound = -32601;

/** Asks the node that the connection is on what it offers. Throws rpc-failed, chain-unreachable, aborted. */
export async function probeNode(
  { connection, reader, runtimes }: ProbeParts,
  signal?: AbortSignal,
): Promise<NodeCapabilities> {
  const { socket } = await connection.session({ signal });
  /** undefined where the node refuses. */
  const ask = async (method: string, params: readonly unknown[] = []): Promise<unknown> => {
    try {
      return await connection.request(method, params, { signal });
    } catch (error) {
      if (error instanceof RpcError) return undefined;
      throw error;
    }
  };
  const offers = async (method: string, params: readonly unknown[]): Promise<Offered> => {
    try {
      await connection.request(method, params, { signal });
      return true;
    } catch (error) {
      return refusal(error);
    }
  };
  const offersProofs = async (block: ProvenBlock): Promise<NodeCapabilities['proofs']> => {
    try {
      const answer = await connection.request('state_getReadProof', [[presentKey], block.hash], { signal });
      return (await proofsHold(answer, block, presentKey)) || 'wrong';
    } catch (error) {
      return refusal(error);
    }
  };
  const hashAt = async (number: BlockNumber): Promise<Hex | undefined> => (await reader.at(number, { signal }))?.hash;
  const hasState = async (number: BlockNumber): Promise<boolean> => {
    const hash = await hashAt(number);
    // The answer of a node that has no such state is an error; `null` would be that of a block before the first.
    return hash !== undefined && typeof (await ask('state_getStorage', [presentKey, hash])) === 'string';
  };
  const hasBody = async (number: BlockNumber): Promise<boolean> => {
    const hash = await hashAt(number);
    // Without a hash it would be the best block's.
    const block = hash === undefined ? undefined : await ask('chain_getBlock', [hash]);
    return typeof block === 'object' && block !== null;
  };

  const [best, finalized] = [await reader.best({ signal }), await reader.finalized({ signal })];
  const runtime = await runtimes.of(best.hash, signal);
  const [name, version, health, listed, pending] = await Promise.all(
    ['system_name', 'system_version', 'system_health', 'rpc_methods', 'author_pendingExtrinsics'].map((each) =>
      ask(each),
    ),
  );
  const methods = listOf(listed);
  const lists = (method: string): Offered => methods?.includes(method);
  const { isSyncing, peers } = (health ?? {}) as { readonly isSyncing?: unknown; readonly peers?: unknown };
  return {
    url: socket.url,
    client: typeof name === 'string' ? [name, version].filter((part) => typeof part === 'string').join(' ') : undefined,
    isSyncing: typeof isSyncing === 'boolean' ? isSyncing : undefined,
    peers: typeof peers === 'number' ? peers : undefined,
    best: best.number,
    finalized: finalized.number,
    oldestState: await oldestWhere(Math.min(1, best.number), best.number, hasState),
    oldestBody: await oldestWhere(Math.min(1, best.number), best.number, hasBody),
    proofs: await offersProofs(finalized),
    ranges: await offers('state_queryStorage', [[presentKey], finalized.hash, finalized.hash]),
    unsafeRpcs: await offers('system_peers', []),
    missingMethods: methods && usedMethods.filter((method) => !methods.includes(method)),
    pool: {
      submit: lists('author_submitExtrinsic'),
      watch: lists('author_submitAndWatchExtrinsic'),
      pending: Array.isArray(pending) ? pending.length : undefined,
    },
    blockLength: blockBytes(runtime),
    blockWeight: blockWeight(runtime),
    pallets: describePallets(runtime),
    unknownExtensions: runtime.unknownExtensions,
    specName: runtime.version.specName,
    specVersion: runtime.version.specVersion,
  };
}

/** What a refusal says of what is offered. Throws what is none. */
function refusal(error: unknown): false | undefined {
  if (!(error instanceof RpcError)) throw error;
  return error.code === methodNotFound || /unsafe/i.test(error.reason) ? false : undefined;
}

function listOf(listed: unknown): readonly unknown[] | undefined {
  const methods = (listed as { readonly methods?: unknown } | undefined)?.methods;
  return Array.isArray(methods) ? (methods as unknown[]) : undefined;
}
