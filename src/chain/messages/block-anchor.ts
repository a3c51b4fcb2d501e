import type { BlockId } from '../head/head.ts';
import type { Hex } from '../../codec/index.ts';

/** A block that is to be read. */
export interface BlockAnchor extends BlockId {
  /** Of its header, which hashes to `hash`; undefined where headers are not read. */
  readonly stateRoot: Hex | undefined;
}

/** Blocks that are read at once: one frame each way. */
export const blocksAtOnce = 64;
