import { compareBytes, equalBytes } from '../codec/index.ts';
import type { EpochKey } from './worker-state.ts';

/** Epochs of one worker that are kept: the highest. One a day for two months; a vault keeps fewer secrets. */
export const maxEpochs = 64;

export interface MergedEpochs {
  /** Ascending, never empty; the last is the current one. */
  readonly epochs: readonly [EpochKey, ...EpochKey[]];
  /** Epochs for which two keys are proven. */
  readonly conflicts: readonly number[];
}

/**
 * All epochs of a worker: the key of its registration as epoch 0 unless a record proves another, and every proven key,
 * seen now or earlier, so that nothing ever falls back. Of two proven keys for one epoch the bytewise greater wins
 * (protocol.md §7).
 */
export function mergeEpochs(registered: Uint8Array, ...proven: readonly (readonly EpochKey[])[]): MergedEpochs {
  const { byEpoch, conflicts } = byGreater(proven);
  if (!byEpoch.has(0)) byEpoch.set(0, { epoch: 0, ecdhKey: registered, proven: false });
  const epochs = highest(byEpoch);
  return { epochs: epochs as [EpochKey, ...EpochKey[]], conflicts: [...conflicts] };
}

/** Proven keys by several accounts as one, ascending. */
export function mergeProven(...proven: readonly (readonly EpochKey[])[]): readonly EpochKey[] {
  return highest(byGreater(proven).byEpoch);
}

function highest(byEpoch: ReadonlyMap<number, EpochKey>): EpochKey[] {
  return [...byEpoch.values()].sort((a, b) => a.epoch - b.epoch).slice(-maxEpochs);
}

function byGreater(proven: readonly (readonly EpochKey[])[]) {
  const byEpoch = new Map<number, EpochKey>();
  const conflicts = new Set<number>();
  for (const key of proven.flat()) {
    const other = byEpoch.get(key.epoch);
    if (other !== undefined && equalBytes(other.ecdhKey, key.ecdhKey)) continue;
    if (other !== undefined) conflicts.add(key.epoch);
    if (other === undefined || compareBytes(key.ecdhKey, other.ecdhKey) > 0) byEpoch.set(key.epoch, key);
  }
  return { byEpoch, conflicts };
}
