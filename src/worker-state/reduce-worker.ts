import { equalBytes } from '../codec/index.ts';
import type { ResolvedWorker } from './resolve-worker.ts';
import { sameTexts } from './worker-facts.ts';
import type { EpochKey, WorkerAspect, WorkerChange, WorkerEntry } from './worker-state.ts';

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;

/** A change before it is known of which block. */
export type ChangeDraft = DistributiveOmit<WorkerChange, 'block' | 'hash'>;

/** Pure: what consumers are told when a worker was `before` and is `after`; a fault is told once. */
export function reduceWorker(before: ResolvedWorker | undefined, after: ResolvedWorker | undefined): ChangeDraft[] {
  const changes: ChangeDraft[] = [];
  if (before === undefined && after !== undefined) changes.push({ type: 'added', worker: after.entry });
  if (before !== undefined && after === undefined) changes.push({ type: 'removed', worker: before.entry });
  if (before !== undefined && after !== undefined) changes.push(...changesBetween(before.entry, after.entry));
  if (after !== undefined) changes.push(...faultsOf(after, before));
  return changes;
}

/** Reports of the faults that were not there before. */
export function faultsOf({ entry, faults }: ResolvedWorker, before?: ResolvedWorker): ChangeDraft[] {
  return [...faults]
    .filter(([fault]) => before?.faults.has(fault) !== true)
    .map(([fault, reason]) => ({ type: 'invalid-record', identity: entry.identity, fault, reason }));
}

function* changesBetween(before: WorkerEntry, worker: WorkerEntry): Iterable<ChangeDraft> {
  const what: WorkerAspect[] = [];
  if (!sameTexts(before.endpoints, worker.endpoints)) what.push('endpoints');
  if (before.epochs.length !== worker.epochs.length || !before.epochs.every((key, i) => sameKey(key, worker.epochs[i])))
    what.push('keys');
  if (before.runtimeVersion !== worker.runtimeVersion) what.push('runtime-version');
  if (before.confidenceLevel !== worker.confidenceLevel) what.push('confidence-level');
  if (before.gatekeeper === worker.gatekeeper) {
    if (what.length > 0) yield { type: 'changed', worker, before, what };
    return;
  }
  // Each change begins where the one before it ended.
  const between = what.length === 0 ? before : { ...worker, gatekeeper: before.gatekeeper };
  if (what.length > 0) yield { type: 'changed', worker: between, before, what };
  yield { type: 'gatekeeper', worker, before: between };
}

function sameKey(a: EpochKey, b: EpochKey | undefined): boolean {
  return a.epoch === b?.epoch && a.proven === b.proven && equalBytes(a.ecdhKey, b.ecdhKey);
}
