import type { SendId } from './send-id.ts';
import type { Work } from './work.ts';

/** A way out of the queue. Each has a loop of its own: mail off chain does not wait for the chain, nor the chain for a relay. */
export interface WayOut {
  /** Takes up what an earlier process left under way. */
  load?(): Promise<void>;
  /** True: there may be more to do at once. */
  step(): Promise<boolean>;
  /** What was out of reach may be in reach again. */
  hurry?(): void;
  /** A message was read. */
  read?(sendId: SendId): void;
  /** A message is kept no more. */
  forget?(sendId: SendId): void;
  /** A message has come to its end, on whichever way; what failed may be retried. */
  ended?(sendId: SendId): void;
  stop(): Promise<void>;
}

/** `pause`: nothing is tried on this way for a while. */
export type MakeWayOut = (work: Work, pause: () => void) => WayOut;
