import type { BlockId } from '../head/head.ts';

/** A block that is to be read. */
export interface BlockAnchor extends BlockId {
  /** Of its header, which hashes to `hash`; undefined where headers are not read. */
  readonly stateRoot: Uint8Array | undefined;
}

/** Blocks that are read at once where more together are too much for a node to send. */
export const fewBlocks = 4;
/** Blocks that are read at once, one frame each way, where each is a call … */
export const callsAtOnce = 64;
/** … and where all of them are one. */
export const blocksAtOnce = 256;
