import type { Hex } from '../codec/index.ts';
import { mergeEpochs } from './merge-epochs.ts';
import { provenBy, readRecords, type ProvenRecords, type VerifyRecords } from './prove-records.ts';
import type { WorkerFacts } from './worker-facts.ts';
import type { EpochKey, WorkerEntry } from './worker-state.ts';

/** A worker with its records verified. */
export interface ResolvedWorker {
  readonly entry: WorkerEntry;
  /** What is wrong with its endpoints and records, by the record, or by a name of the fault. */
  readonly faults: ReadonlyMap<string, string>;
}

/** What is on chain of a worker, and its proven keys that were seen earlier. */
export interface Unresolved {
  readonly facts: WorkerFacts;
  readonly seen: readonly EpochKey[];
}

/** The entries that others see, their records verified together. */
export function resolveWorkers(
  workers: readonly Unresolved[],
  genesisHash: Hex,
  verify: VerifyRecords,
): ResolvedWorker[] {
  const read = workers.map(({ facts }) => readRecords(genesisHash, facts.identity, facts.records));
  const claims = read.flatMap((each) => each.claims);
  const verdicts = claims.length === 0 ? [] : verify(claims);
  let next = 0;
  return workers.map((worker, i) => {
    const mine = read[i] ?? { claims: [], malformed: new Map<string, string>() };
    const from = next;
    next += mine.claims.length;
    return resolve(worker, provenBy(mine, verdicts.slice(from, next)));
  });
}

function resolve({ facts, seen }: Unresolved, { keys, invalid }: ProvenRecords): ResolvedWorker {
  const { identity, gatekeeper, runtimeVersion, confidenceLevel, urls } = facts;
  const { epochs, conflicts } = mergeEpochs(facts.registered, seen, keys);
  const faults = new Map([...facts.faults, ...invalid]);
  for (const epoch of conflicts)
    faults.set(`conflict ${epoch}`, `there are two proven keys for epoch ${epoch}; the bytewise greater is used`);
  const current = epochs.at(-1) ?? epochs[0];
  return {
    entry: { identity, current, epochs, endpoints: urls, gatekeeper, runtimeVersion, confidenceLevel },
    faults,
  };
}
