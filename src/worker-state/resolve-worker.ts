import type { Hex } from '../codec/index.ts';
import { isRecordOf, sameProven, type ProvenKey } from './key-page.ts';
import { mergedEpochs, mergeEpochs } from './merge-epochs.ts';
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

/** What is on chain of a worker, and its proven keys that were seen earlier, as they were merged then. */
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
  const read = workers.map(({ facts, seen }) =>
    readRecords(genesisHash, facts.identity, unproven(facts.records, seen)),
  );
  const claims = read.flatMap((records) => records.claims);
  const verdicts = claims.length === 0 ? [] : verify(claims);
  const isFalse = new Set(claims.filter((_, i) => verdicts[i] !== true));
  return workers.map((worker, i) => resolve(worker, provenBy(read[i] ?? nothing, isFalse)));
}

/** Without the records that were verified when their keys were proven. */
function unproven(records: readonly string[], seen: readonly ProvenKey[]): readonly string[] {
  return records.filter((text) => !seen.some((key) => isRecordOf(text, key)));
}

function resolve({ facts, seen }: Unresolved, { keys, invalid }: ProvenRecords): ResolvedWorker {
  const { identity, gatekeeper, runtimeVersion, confidenceLevel, urls } = facts;
  const { epochs, proven, conflicts } =
    keys.length === 0
      ? mergedEpochs(facts.registered, seen)
      : mergeEpochs(facts.registered, seen, inOrder(facts.records, [...seen, ...keys]));
  const current = epochs.at(-1) ?? epochs[0];
  return {
    entry: { identity, current, epochs, endpoints: urls, gatekeeper, runtimeVersion, confidenceLevel },
    faults: allFaults(facts.faults, invalid, conflicts),
    proven,
    isNews: !sameProven(seen, proven),
  };
}

/** Those of the keys that the records prove, as these stand: which of a key's records is known must not depend on what was known. */
function inOrder(records: readonly string[], keys: readonly ProvenKey[]): readonly ProvenKey[] {
  return records.flatMap((text) => keys.find((key) => isRecordOf(text, key)) ?? []);
}

function allFaults(
  ofList: ReadonlyMap<string, string>,
  ofRecords: ReadonlyMap<string, string>,
  conflicts: readonly number[],
): ReadonlyMap<string, string> {
  if (ofRecords.size + conflicts.length === 0) return ofList;
  const faults = new Map([...ofList, ...ofRecords]);
  for (const epoch of conflicts)
    faults.set(`conflict ${epoch}`, `there are two proven keys for epoch ${epoch}; the bytewise greater is used`);
  return faults;
}
