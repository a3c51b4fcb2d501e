import type { NewerKey } from '../channel/newer-key.ts';
import type { Hex } from '../codec/index.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import type { RelayOutbox } from './outbox.ts';
import { RelayTransport } from './relay-transport.ts';
import { RunningQueue, type QueueOptions } from './running-queue.ts';

/** Between looks for what another process queued, ms. */
const lookEveryMs = 2_000;

export interface RelayOutboxOptions extends QueueOptions {
  readonly genesisHash: Hex;
  readonly carrier: OffChainCarrier;
  /** Told of a key that a recipient proves to have instead of the one in the directory, which it has erased. Where it throws, the message waits, and is tried again. */
  readonly onNewerKey?: (to: Hex, key: NewerKey) => Promise<void> | void;
}

/**
 * A queue that sends off chain alone, as soon as it is started, to each recipient the oldest first: without a connection to a
 * chain, so for browsers too. Its data are those of an outbox with a chain.
 */
export function createRelayOutbox(options: RelayOutboxOptions): RelayOutbox {
  const { carrier, onNewerKey = () => undefined } = options;
  return new RunningQueue({ ...options, hasCarrier: true, lookEveryMs }, [
    (work) => new RelayTransport({ ...work, carrier, onNewerKey, isChainStuck: () => true }),
  ]);
}
