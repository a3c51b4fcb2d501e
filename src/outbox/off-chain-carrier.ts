import type { Hex } from '../codec/index.ts';

/** What became of a message that a relay or the recipient itself took. */
export interface Carried {
  /** The one that took it. */
  readonly endpoint: string;
  readonly status: 'stored' | 'delivered' | 'duplicate' | 'forwarded';
}

/** The way off chain, as the outbox sees it. The relay client is one. */
export interface OffChainCarrier {
  /** Whether any endpoint of the recipient may be tried at all: cheap, from WorkerState. */
  canReach(to: Hex): boolean;
  /**
   * Takes SCALE of a SignedEnvelope (protocol.md §8). Resolves once it is durable at a relay or at the recipient. Throws a
   * RelayError otherwise, whose code tells whether another try can help; epoch-erased comes with the recipient's record.
   */
  carry(signedEnvelope: Uint8Array, to: Hex, signal?: AbortSignal): Promise<Carried>;
}
