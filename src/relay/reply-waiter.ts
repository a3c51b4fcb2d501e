import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import { pause } from '../signals/index.ts';
import { backoffMs, type Backoff } from './backoff.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { Prover } from './prover.ts';
import { placesOf, type HandedOn, type Place } from './reply-places.ts';
import { firstOf, Ways } from './ways.ts';

export interface ReplyPlace extends Prover {
  /** Base URL of the relay that took what was asked. */
  readonly url: string;
  /** That relay may have handed it on, and the reply be kept where the recipient reads. Default: it keeps the reply itself. */
  readonly handedOn?: HandedOn;
  /** The key that was asked from, 32 bytes. */
  readonly senderKey: Uint8Array;
}

export interface ReplyWait<T> extends ReplyPlace {
  /** Reads what the relay gives as a reply: it may be anybody's. undefined: it is none, and the wait goes on. */
  readonly open: (signedEnvelope: Uint8Array) => Promise<T | undefined>;
  readonly signal: AbortSignal;
  readonly backoff?: Backoff;
}

const defaultBackoff = { firstMs: 200, mostMs: 5_000 };
// What strangers may have left in an honest box; a relay that gives more of it shall not keep us at it.
const freeStrange = 16;
const hopeless: ReadonlySet<string> = new Set(['login-refused', 'endpoint-refused', 'wrong-chain', 'client-stopped']);

/**
 * Waits in the reply box of a key, wherever it may be, over as many connections as it takes, until `open` takes what came.
 * Throws login-refused, endpoint-refused, wrong-chain where no place is left, what `open` throws, and the signal's reason.
 */
export function awaitReply<T>(pool: ConnectionPool, wait: ReplyWait<T>): Promise<T> {
  const isHopeless = (error: unknown): boolean => isRelayError(error) && hopeless.has(error.code);
  return firstOf(placesOf(wait.url, wait.handedOn), wait.signal, isHopeless, (place, signal) =>
    awaitThere(pool, place, { ...wait, signal }),
  );
}

async function awaitThere<T>(pool: ConnectionPool, place: Place, wait: ReplyWait<T>): Promise<T> {
  const { identity, senderKey, signal, backoff = defaultBackoff } = wait;
  const ways = new Ways(place, { backoff, signal, hopeless });
  let read: { readonly generation: Hex; readonly after: bigint } | undefined;
  let strange = 0;
  for (;;) {
    const { connection, generation, reply } = await ways.go(async (way) => {
      const connection = pool.forIdentity(way, identity);
      const { generation } = await connection.prove('prove', wait, signal);
      const after = read?.generation === generation ? read.after : 0n;
      const reply = await connection.awaitReply(senderKey, after, signal);
      return { connection, generation, reply };
    });
    read = { generation, after: reply.cursor };
    const opened = await wait.open(reply.signedEnvelope);
    if (opened !== undefined) {
      connection.replyDone(senderKey, reply.cursor);
      return opened;
    }
    strange += 1;
    if (strange > freeStrange) await pause(backoffMs(strange - freeStrange, backoff), signal);
  }
}
