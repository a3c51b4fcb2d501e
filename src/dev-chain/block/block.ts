import type { Hex } from '../../codec/hex.ts';
import type { Runtime } from '../executor/runtime.ts';
import type { ChainState } from '../state/chain-state.ts';
import type { Header } from './header.ts';

/** What tells one block from another. */
export interface BlockRef {
  readonly hash: Hex;
  readonly number: number;
}

export interface DevBlock extends BlockRef {
  readonly header: Header;
  /** With their length prefix, as in a block. Inherents come first. */
  readonly extrinsics: readonly Hex[];
  /** Milliseconds since 1970, what Timestamp.Now is after this block. */
  readonly timestamp: number;
  /** That it leaves behind: the next block is made by it. */
  readonly runtime: Runtime;
  /** By which its state root was made: that of the runtime that made the block. */
  readonly stateVersion: Runtime['stateVersion'];
  /** Gone once the state of the block was dropped. */
  state: ChainState | undefined;
}
