import type { Hex } from '../codec/index.ts';
import { mergeEpochs } from './merge-epochs.ts';
import { proveRecords, type VerifySignature } from './prove-records.ts';
import type { WorkerFacts } from './worker-facts.ts';
import type { EpochKey, WorkerEntry } from './worker-state.ts';

/** A worker with its records verified. */
export interface ResolvedWorker {
  readonly entry: WorkerEntry;
  /** What is wrong with its records, by the record, or by a name of the fault. */
  readonly faults: ReadonlyMap<string, string>;
}

/** Pure: what is on chain, and the proven keys that were seen earlier, to the entry that others see. */
export function resolveWorker(
  facts: WorkerFacts,
  seen: readonly EpochKey[],
  genesisHash: Hex,
  verify: VerifySignature,
): ResolvedWorker {
  const { identity, gatekeeper, runtimeVersion, confidenceLevel, urls, records } = facts;
  const { keys, invalid } = proveRecords(genesisHash, identity, records, verify);
  const { epochs, conflicts } = mergeEpochs(facts.registered, seen, keys);
  const faults = new Map(invalid);
  for (const epoch of conflicts)
    faults.set(`conflict ${epoch}`, `there are two proven keys for epoch ${epoch}; the bytewise greater is used`);
  const current = epochs.at(-1) ?? epochs[0];
  return {
    entry: { identity, current, epochs, endpoints: urls, gatekeeper, runtimeVersion, confidenceLevel },
    faults,
  };
}
