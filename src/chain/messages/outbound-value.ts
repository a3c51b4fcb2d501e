import type { BlockAnchor } from './block-anchor.ts';

/** `OutboundMessages` of one block. */
export interface OutboundValue {
  readonly block: BlockAnchor;
  /** undefined: no messages. */
  readonly value: Uint8Array | undefined;
  /** Whether a proof against the state root of the block's header shows it. */
  readonly isProven: boolean;
}
