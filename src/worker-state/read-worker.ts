import type { Chain, WorkerRow } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { ready, verifyBatch } from '../crypto/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import { EpochStore } from './epoch-store.ts';
import { resolveWorkers } from './resolve-worker.ts';
import { factsOf } from './worker-facts.ts';
import type { EpochKey, WorkerEntry } from './worker-state.ts';

export interface ReadWorkerOptions {
  /** Where proven epochs are kept, so that no node takes us back below one (protocol.md §7). Default: nowhere. */
  readonly store?: TransactionalStore;
  /**
   * true: proven against the state root of a finalized block that `quorum` endpoints of the connection agree on, or
   * proofs-unavailable. false: as the node gives it. Default: proven where a node gives proofs, of its finalized block.
   */
  readonly verify?: boolean;
  readonly signal?: AbortSignal;
}

/**
 * One worker as of the finalized head, without a pipeline: for who sends once. undefined where it is not registered. Throws
 * proofs-unavailable, no-quorum and endpoints-disagree with `verify: true`; node-lies where no endpoint is left,
 * state-discarded, bad-storage, rpc-failed, chain-unreachable, store-failed, aborted.
 */
export async function readWorker(
  chain: Chain,
  id: Hex,
  { store, verify, signal }: ReadWorkerOptions = {},
): Promise<WorkerEntry | undefined> {
  await ready();
  const worker = await rowOf(chain, id, verify, signal);
  if (worker === undefined) return undefined;
  const epochs = store === undefined ? undefined : new EpochStore(store, chain.genesisHash);
  const seen = (await epochs?.keysOf(id)) ?? [];
  const [resolved] = resolveWorkers([{ facts: factsOf(worker), seen }], chain.genesisHash, verifyBatch);
  if (resolved === undefined) return undefined;
  await epochs?.save(new Map([[id, resolved.proven]]));
  return resolved.entry;
}

async function rowOf(
  chain: Chain,
  id: Hex,
  verify: boolean | undefined,
  signal: AbortSignal | undefined,
): Promise<WorkerRow | undefined> {
  if (verify === true) return chain.agreedWorkers.worker(await chain.agreedHead(signal), id, signal);
  const head = await chain.finalizedHead(signal);
  if (verify === undefined)
    try {
      return await chain.provenWorkers.worker(head, id, signal);
    } catch (error) {
      if (!isRelayError(error, 'proofs-unavailable')) throw error;
    }
  const [worker] = await chain.at(head.hash).workers([id], signal);
  return worker;
}

/** Keeps a key that a worker proved elsewhere than on chain, so that nothing leads back below its epoch (protocol.md §7, §11). */
export async function rememberKey(
  { genesisHash }: Pick<Chain, 'genesisHash'>,
  id: Hex,
  { epoch, ecdhKey }: Pick<EpochKey, 'epoch' | 'ecdhKey'>,
  store: TransactionalStore,
): Promise<void> {
  await new EpochStore(store, genesisHash).save(new Map([[id, [{ epoch, ecdhKey, proven: true }]]]));
}
