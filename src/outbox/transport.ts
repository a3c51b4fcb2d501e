import type { SendId } from './send-id.ts';
import type { Work } from './work.ts';

/** Takes messages from the queue and sends them. Each has a loop of its own: mail off chain does not wait for the chain, nor the chain for a relay. */
export interface Transport {
  /** Takes up what an earlier process left under way. */
  load?(): Promise<void>;
  /** True: there may be more to do at once. */
  step(): Promise<boolean>;
  /** What was out of reach may be in reach again. */
  tryAgain?(): void;
  /** A message was read. */
  read?(sendId: SendId): void;
  /** A message is kept no more. */
  forget?(sendId: SendId): void;
  /** A message has come to its end, by whichever transport; what failed may be retried. */
  ended?(sendId: SendId): void;
  stop(): Promise<void>;
}

/** `pause`: it tries nothing for a while. */
export type MakeTransport = (work: Work, pause: () => void) => Transport;
