import type { Hex } from '../../codec/hex.ts';
import type { Runtime } from '../executor/runtime.ts';

/** The extrinsics that a block starts with: the time, where the runtime has Timestamp. */
export function inherents(runtime: Runtime, timestamp: number): Hex[] {
  const set = runtime.layout.tx['timestamp']?.['set'];
  if (set === undefined) return [];
  return [runtime.registry.createType('GenericExtrinsic', set(timestamp)).toHex()];
}
