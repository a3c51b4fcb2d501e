import { compareBytes, equalBytes } from '../codec/index.ts';
import type { ProvenKey } from './key-page.ts';
import type { EpochKey } from './worker-state.ts';

/** Epochs of one worker that are kept: the highest. One a day for two months; a vault keeps fewer secrets. */
export const maxEpochs = 64;
const none: readonly number[] = [];

export interface MergedEpochs {
  /** Ascending, never empty; the last is the current one. */
  readonly epochs: readonly [EpochKey, ...EpochKey[]];
  /** Those of them that are proven. */
  readonly proven: readonly ProvenKey[];
  /** Epochs for which two keys are proven. */
  readonly conflicts: readonly number[];
}

/**
 * All epochs of a worker: the key of its registration as epoch 0 unless a record proves another, and every proven key,
 * seen now or earlier, so that nothing ever falls back. Of two proven keys for one epoch the bytewise greater wins
 * (protocol.md §7).
 */
export function mergeEpochs(registered: Uint8Array, ...all: readonly (readonly ProvenKey[])[]): MergedEpochs {
  const { byEpoch, conflicts } = byGreater(all);
  return { ...mergedEpochs(registered, highest(byEpoch.values())), conflicts: [...conflicts] };
}

/** As {@link mergeEpochs}, of proven keys that were merged before and none beside them. */
export function mergedEpochs(registered: Uint8Array, proven: readonly ProvenKey[]): MergedEpochs {
  const epochs: EpochKey[] = proven.map(({ epoch, ecdhKey }) => ({ epoch, ecdhKey, proven: true }));
  if (proven[0]?.epoch !== 0 && epochs.length < maxEpochs)
    epochs.unshift({ epoch: 0, ecdhKey: registered, proven: false });
  return { epochs: epochs as [EpochKey, ...EpochKey[]], proven, conflicts: none };
}

/** Proven keys by several accounts as one, ascending. */
export function mergeProven(...all: readonly (readonly ProvenKey[])[]): readonly ProvenKey[] {
  return highest(byGreater(all).byEpoch.values());
}

function highest(keys: Iterable<ProvenKey>): ProvenKey[] {
  return [...keys].sort((a, b) => a.epoch - b.epoch).slice(-maxEpochs);
}

function byGreater(all: readonly (readonly ProvenKey[])[]) {
  const byEpoch = new Map<number, ProvenKey>();
  const conflicts = new Set<number>();
  for (const key of all.flat()) {
    const other = byEpoch.get(key.epoch);
    const isSame = other !== undefined && equalBytes(other.ecdhKey, key.ecdhKey);
    if (other !== undefined && !isSame) conflicts.add(key.epoch);
    // Of the records of one key the last is known again: it is the one that stands on chain.
    const isBetter = isSame
      ? key.signature !== undefined
      : other === undefined || compareBytes(key.ecdhKey, other.ecdhKey) > 0;
    if (isBetter) byEpoch.set(key.epoch, key);
  }
  return { byEpoch, conflicts };
}
