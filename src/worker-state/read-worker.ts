import type { Chain } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';
import { ready, verifyBatch } from '../crypto/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import { EpochStore } from './epoch-store.ts';
import { resolveWorkers } from './resolve-worker.ts';
import { factsOf } from './worker-facts.ts';
import type { EpochKey, WorkerEntry } from './worker-state.ts';

export interface ReadWorkerOptions {
  /** Where proven epochs are kept, so that no node takes us back below one (protocol.md §7). Default: nowhere. */
  readonly store?: TransactionalStore;
  readonly signal?: AbortSignal;
}

/** One worker as of the finalized head, without a pipeline: for who sends once. undefined where it is not registered. */
export async function readWorker(
  chain: Chain,
  id: Hex,
  { store, signal }: ReadWorkerOptions = {},
): Promise<WorkerEntry | undefined> {
  await ready();
  const { hash } = await chain.finalizedHead(signal);
  const [worker] = await chain.at(hash).workers([id], signal);
  if (worker === undefined) return undefined;
  const epochs = store === undefined ? undefined : new EpochStore(store, chain.genesisHash);
  const seen = (await epochs?.keysOf(id)) ?? [];
  const [resolved] = resolveWorkers([{ facts: factsOf(worker), seen }], chain.genesisHash, verifyBatch);
  if (resolved === undefined) return undefined;
  const { entry } = resolved;
  await epochs?.save(new Map([[id, entry.epochs.filter(({ proven }) => proven)]]));
  return entry;
}

/** Keeps a key that a worker proved elsewhere than on chain, so that nothing leads back below its epoch (protocol.md §7, §11). */
export async function rememberKey(
  { genesisHash }: Pick<Chain, 'genesisHash'>,
  id: Hex,
  { epoch, ecdhKey }: Pick<EpochKey, 'epoch' | 'ecdhKey'>,
  store: TransactionalStore,
): Promise<void> {
  const epochs = new EpochStore(store, genesisHash);
  const others = (await epochs.keysOf(id)).filter((key) => key.epoch !== epoch);
  await epochs.save(new Map([[id, [...others, { epoch, ecdhKey, proven: true }]]]));
}
