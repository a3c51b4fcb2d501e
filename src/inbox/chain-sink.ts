import type { Head, OutboundMessage } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';

/** What an inbox does with what the chain shows, one thing at a time. */
export interface ChainSink {
  takeBlock(head: Head, messages: readonly OutboundMessage[], isFinal: boolean): Promise<void>;
  /** Takes back the messages of a block that left the best branch. */
  retract(hash: Hex): Promise<void>;
  finalize(head: Head): Promise<void>;
  /** Nothing sent from now on is missed. May be called again. */
  markReady(): void;
}
