import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import { backoffMs, pause, type Backoff } from './backoff.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { Prover } from './prover.ts';

export interface ReplyPlace extends Prover {
  /** Base URL of the relay that keeps the reply. */
  readonly url: string;
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
const final: ReadonlySet<string> = new Set(['login-refused', 'endpoint-refused', 'wrong-chain', 'client-stopped']);

/**
 * Waits in the reply box of a key, over as many connections as it takes, until `open` takes what came. Throws
 * login-refused, endpoint-refused, wrong-chain, what `open` throws, and the signal's reason.
 */
export async function awaitReply<T>(pool: ConnectionPool, wait: ReplyWait<T>): Promise<T> {
  const { url, identity, senderKey, signal, backoff = defaultBackoff } = wait;
  let place: { readonly generation: Hex; readonly after: bigint } | undefined;
  let failures = 0;
  let strange = 0;
  for (;;) {
    signal.throwIfAborted();
    const connection = pool.forIdentity(url, identity);
    const next = async () => {
      const { generation } = await connection.prove('prove', wait, signal);
      const after = place?.generation === generation ? place.after : 0n;
      const reply = await connection.awaitReply(senderKey, after, signal);
      return { generation, reply };
    };
    const answer = await next().catch((error: unknown) => {
      signal.throwIfAborted();
      if (!isRelayError(error) || final.has(error.code)) throw error;
      return undefined;
    });
    if (answer === undefined) {
      failures += 1;
      await pause(backoffMs(failures, backoff), signal);
      continue;
    }
    failures = 0;
    const { generation, reply } = answer;
    place = { generation, after: reply.cursor };
    const opened = await wait.open(reply.signedEnvelope);
    if (opened !== undefined) {
      connection.replyDone(senderKey, reply.cursor);
      return opened;
    }
    strange += 1;
    if (strange > freeStrange) await pause(backoffMs(strange - freeStrange, backoff), signal);
  }
}
