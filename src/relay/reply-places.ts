import type { Hex } from '../codec/index.ts';
import type { FrameStatus } from './relay-frames.ts';
import { isRelayUrl, relayKey } from './relay-url.ts';
import type { RelayWay } from './relay-way.ts';

/** To whom a relay may have handed a message on. */
export interface HandedOn {
  readonly to: Hex;
  /** Of the recipient, as on chain: at one of them the reply is kept. */
  readonly endpoints: readonly string[];
}

/** A relay, by each way to it: the likeliest first. */
export type Place = readonly [RelayWay, ...RelayWay[]];

// As many as a relay forwards to in one turn.
const maxEndpoints = 4;

/**
 * Where a reply may be: at the relay that took the question, and, where that one handed it on, at each of the recipient's own.
 * They are asked through the relay that could reach them, then straight.
 */
export function placesOf(relay: string, handedOn?: HandedOn): readonly Place[] {
  if (handedOn === undefined) return [[{ url: relay }]];
  const { to, endpoints } = handedOn;
  const others = endpoints.filter((url) => isRelayUrl(url) && relayKey(url) !== relayKey(relay));
  return [
    [{ url: relay }],
    ...others.slice(0, maxEndpoints).map((url): Place => [{ url, by: { relay, recipient: to } }, { url }]),
  ];
}

/** Whether a relay that answered so may not be where the message stays. */
export function mayBeHandedOn(status: FrameStatus): boolean {
  return status === 'forwarded' || status === 'duplicate';
}
