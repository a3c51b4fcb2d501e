import type { Runtime } from './runtime.ts';

/** Substrate's normal limit, 75 % of 5 MiB, used where the chain does not say. */
const defaultBlockBytes = 3_932_160;

/**
 * Bytes of a block left to its inherents: they count into the limit of normal extrinsics, so one that fills it whole
 * passes the pool and never gets into a block.
 */
const inherentsBytes = 64 * 1024;

/** What normal extrinsics may take of a block; undefined where the runtime sets no bound. */
export interface BlockWeight {
  /** ps. */
  readonly refTime: bigint | undefined;
  /** Bytes. */
  readonly proofSize: bigint | undefined;
}

/** Bytes that normal extrinsics may take of a block, from `System.BlockLength`. */
export function blockBytes(runtime: Runtime): number {
  const limits = runtime.constant('system', 'blockLength')?.toJSON() as { max?: { normal?: number } } | undefined;
  return limits?.max?.normal ?? defaultBlockBytes;
}

/** Most bytes of one normal extrinsic. */
export function maxExtrinsicBytes(runtime: Runtime): number {
  return blockBytes(runtime) - inherentsBytes;
}

/** From `System.BlockWeights`. */
export function blockWeight(runtime: Runtime): BlockWeight {
  const weights = runtime.constant('system', 'blockWeights')?.toJSON() as
    { perClass?: { normal?: { maxTotal?: JsonWeight | null } } } | undefined;
  const most = weights?.perClass?.normal?.maxTotal ?? {};
  // Older runtimes weigh time only.
  if (typeof most !== 'object') return { refTime: BigInt(most), proofSize: undefined };
  return { refTime: bound(most.refTime), proofSize: bound(most.proofSize) };
}

type JsonWeight = number | string | { readonly refTime?: number | string; readonly proofSize?: number | string };

/** Of u64: as much as there can be is no bound. */
function bound(amount: number | string | undefined): bigint | undefined {
  if (amount === undefined) return undefined;
  const value = BigInt(amount);
  return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : value;
}
