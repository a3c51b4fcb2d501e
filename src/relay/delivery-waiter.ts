import { isRelayError } from '../errors/index.ts';
import type { Backoff } from './backoff.ts';
import type { SentMessage } from './client-frames.ts';
import type { ConnectionPool } from './connection-pool.ts';
import { placesOf, type HandedOn } from './reply-places.ts';
import { firstOf, Ways } from './ways.ts';

export interface DeliveryWait extends SentMessage {
  /** Base URL of the relay that took the message. */
  readonly url: string;
  /** That relay may have handed it on. Default: it keeps the message itself. */
  readonly handedOn?: HandedOn;
  readonly signal: AbortSignal;
  readonly backoff?: Backoff;
}

const defaultBackoff = { firstMs: 200, mostMs: 30_000 };
const hopeless: ReadonlySet<string> = new Set(['delivery-untold', 'endpoint-refused', 'wrong-chain', 'client-stopped']);
const hopelessWhereStored: ReadonlySet<string> = new Set([...hopeless, 'unknown-message']);

/**
 * Resolves when the recipient has acknowledged a message to the relay that keeps its mail, over as many connections as it
 * takes. Throws delivery-untold, unknown-message, endpoint-refused, wrong-chain, and the signal's reason.
 */
export function awaitDelivered(pool: ConnectionPool, wait: DeliveryWait): Promise<void> {
  const { url, handedOn, signal, backoff = defaultBackoff, to, messageId, sentAt } = wait;
  // One that hands it on may not have come to that yet.
  const final = handedOn === undefined ? hopelessWhereStored : hopeless;
  const isHopeless = (error: unknown): boolean => isRelayError(error) && final.has(error.code);
  return firstOf(placesOf(url, handedOn), signal, isHopeless, (place, ended) =>
    new Ways(place, { backoff, signal: ended, hopeless: final }).go((way) =>
      pool.at(way).awaitDelivered({ to, messageId, sentAt }, ended),
    ),
  );
}
