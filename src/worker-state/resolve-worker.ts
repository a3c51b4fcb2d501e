import type { Hex } from '../codec/index.ts';
import { isProvenBy, sameProven, type ProvenKey } from './key-page.ts';
import { mergeEpochs } from './merge-epochs.ts';
import { nothing, provenBy, readRecords, type ProvenRecords, type VerifyRecords } from './prove-records.ts';
import type { WorkerFacts } from './worker-facts.ts';
import type { WorkerEntry } from './worker-state.ts';

/** A worker with its records verified. */
export interface ResolvedWorker {
  readonly entry: WorkerEntry;
  /** What is wrong with its endpoints and records, by the record, or by a name of the fault. */
  readonly faults: ReadonlyMap<string, string>;
  /** The keys of its entry that are proven, and by what. */
  readonly proven: readonly ProvenKey[];
  /** Whether something of that was not known. */
  readonly isNews: boolean;
}

/** What is on chain of a worker, and its proven keys that were seen earlier. */
export interface Unresolved {
  readonly facts: WorkerFacts;
  readonly seen: readonly ProvenKey[];
}

/** The entries that others see, their records verified together, but for those by which keys were proven before. */
export function resolveWorkers(
  workers: readonly Unresolved[],
  genesisHash: Hex,
  verify: VerifyRecords,
): ResolvedWorker[] {
  const read = workers.map(({ facts }) => readRecords(genesisHash, facts.identity, facts.records));
  const unknown = read.flatMap(({ claims }, i) => {
    const seen = workers[i]?.seen ?? [];
    return claims.filter(({ key, signature }) => !isProvenBy(key, signature, seen));
  });
  const verdicts = unknown.length === 0 ? [] : verify(unknown);
  const isFalse = new Set(unknown.filter((_, i) => verdicts[i] !== true));
  return workers.map((worker, i) => resolve(worker, provenBy(read[i] ?? nothing, isFalse)));
}

function resolve({ facts, seen }: Unresolved, { keys, invalid }: ProvenRecords): ResolvedWorker {
  const { identity, gatekeeper, runtimeVersion, confidenceLevel, urls } = facts;
  const { epochs, proven, conflicts } = mergeEpochs(facts.registered, seen, keys);
  const faults = new Map([...facts.faults, ...invalid]);
  for (const epoch of conflicts)
    faults.set(`conflict ${epoch}`, `there are two proven keys for epoch ${epoch}; the bytewise greater is used`);
  const current = epochs.at(-1) ?? epochs[0];
  return {
    entry: { identity, current, epochs, endpoints: urls, gatekeeper, runtimeVersion, confidenceLevel },
    faults,
    proven,
    isNews: !sameProven(seen, proven),
  };
}
