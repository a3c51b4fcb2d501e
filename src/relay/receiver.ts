import { Observable, type Subscriber } from 'rxjs';
import { toHex, type Hex } from '../codec/index.ts';
import { asRelayError, checkValue, RelayError } from '../errors/index.ts';
import { onAbort, pause } from '../signals/index.ts';
import { AckTracker } from './ack-tracker.ts';
import { backoffMs, checkBackoff, type Backoff } from './backoff.ts';
import type { ConnectionPool } from './connection-pool.ts';
import type { Connection } from './connection.ts';
import type { LoginRequest, Prover } from './prover.ts';
import { RecentMap } from './recent-map.ts';

export interface ReceiveOptions extends Prover {
  /** Base URL of the relay, http(s) or ws(s). */
  readonly url: string;
  /** Deliveries without acknowledgement at once. Default 64. */
  readonly window?: number;
  /** Pauses between attempts to connect. Default 0.5 s to 30 s. */
  readonly backoff?: Backoff;
}

export interface RelayDelivery {
  readonly type: 'delivery';
  readonly cursor: bigint;
  /** SCALE of a SignedEnvelope, as the relay gives it: nothing about it is checked. */
  readonly signedEnvelope: Uint8Array;
  /** Done with it; the relay is told when all before it are done with too. What it is not told comes again. Idempotent. */
  ack(): void;
}

export type ReceiverEvent =
  | RelayDelivery
  /** Logged in: nothing sent from now on is missed. Again after each reconnect. */
  | { readonly type: 'ready' }
  /** The connection is lost and is being made again. */
  | { readonly type: 'lost'; readonly error: RelayError };

export interface ReceiverParts {
  readonly pool: ConnectionPool;
}

const defaults = { window: 64, backoff: { firstMs: 500, mostMs: 30_000 } };

// Trying again would not help, or would fight with who was chosen instead.
const final: ReadonlySet<string> = new Set(['login-refused', 'session-replaced', 'endpoint-refused', 'wrong-chain']);

/**
 * Deliveries of one mailbox while subscribed, each once per process, over as many connections as it takes. Errors with
 * login-refused, session-replaced, endpoint-refused, wrong-chain, bad-value, or what `sign` throws.
 */
export function receiveFrom(parts: ReceiverParts, options: ReceiveOptions): Observable<ReceiverEvent> {
  return new Observable((subscriber) => {
    const ended = new AbortController();
    const receiver = new Receiver(parts, options, subscriber);
    receiver.run(ended.signal).then(
      () => {
        subscriber.complete();
      },
      (error: unknown) => {
        subscriber.error(error);
      },
    );
    return () => {
      ended.abort();
    };
  });
}

/** A message that the consumer got. */
interface Given {
  /** Where the relay has it. */
  cursor: bigint;
  isAcknowledged: boolean;
}

// Of a SignedEnvelope (protocol.md §8).
const [signatureStart, signatureEnd] = [32, 96];
// More than there can be on its way to the disk of a relay that dies.
const mostRecent = 16_384;

class Receiver {
  readonly #parts: ReceiverParts;
  readonly #options: ReceiveOptions & typeof defaults;
  readonly #subscriber: Subscriber<ReceiverEvent>;
  #generation: Hex | undefined;
  /** Newest cursor that the consumer got. */
  #seen = 0n;
  /** Newest cursor on this connection. */
  #newest = 0n;
  /** Those that the consumer has not acknowledged. */
  #unacknowledged = new Set<bigint>();
  /** By signature: what a relay gave that died before it was on its disk comes from its sender again, under another cursor. */
  #recent = new RecentMap<Hex, Given>(mostRecent);
  #connection: Connection | undefined;
  /** Since the last login. */
  #failures = 0;
  #tracker = new AckTracker();
  /** Why there is no signature: it is the consumer's own affair. */
  #unsigned: { readonly error: unknown } | undefined;

  constructor(parts: ReceiverParts, options: ReceiveOptions, subscriber: Subscriber<ReceiverEvent>) {
    this.#parts = parts;
    this.#options = { ...defaults, ...options };
    const { window, backoff } = this.#options;
    checkValue('window', Number.isSafeInteger(window) && window >= 1, '1 or more');
    checkBackoff(backoff);
    this.#subscriber = subscriber;
  }

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const error = await this.#session(signal);
      if (isOver(signal)) return;
      if (this.#unsigned !== undefined) throw this.#unsigned.error;
      if (final.has(error.code)) throw error;
      this.#failures += 1;
      this.#subscriber.next({ type: 'lost', error });
      await pause(backoffMs(this.#failures, this.#options.backoff), signal);
    }
  }

  /** One connection from login to its end; gives why it ended. */
  async #session(signal: AbortSignal): Promise<RelayError> {
    const connection = this.#parts.pool.forReceiver(this.#options.url, this.#options.identity);
    const release = this.#parts.pool.hold(connection);
    const off = onAbort(signal, () => {
      connection.close();
    });
    try {
      await this.#login(connection, signal);
      this.#failures = 0;
      this.#subscriber.next({ type: 'ready' });
      return await connection.ended;
    } catch (error) {
      const failure = asRelayError(error, 'relay-connection-lost', { endpoint: this.#options.url });
      // The relay may still be at the login, and would refuse another one on this connection.
      connection.close(failure);
      return failure;
    } finally {
      off();
      this.#connection = undefined;
      release();
    }
  }

  async #login(connection: Connection, signal: AbortSignal): Promise<void> {
    const { identity } = this.#options;
    const sign = async (login: LoginRequest): Promise<Uint8Array> => {
      try {
        return await this.#options.sign(login);
      } catch (error) {
        this.#unsigned = { error };
        throw error;
      }
    };
    const { generation } = await connection.prove('login', { identity, sign }, signal);
    this.#begin(connection, generation);
    connection.credit(this.#options.window);
  }

  #begin(connection: Connection, generation: Hex): void {
    if (generation !== this.#generation) {
      // Another store: its cursors start anew.
      this.#generation = generation;
      this.#seen = 0n;
      this.#unacknowledged = new Set();
      this.#recent = new RecentMap(mostRecent);
    }
    this.#connection = connection;
    this.#tracker = new AckTracker();
    this.#newest = 0n;
    connection.onDelivery(({ cursor, signedEnvelope }) => {
      this.#deliver(cursor, signedEnvelope, generation);
    });
  }

  #deliver(cursor: bigint, signedEnvelope: Uint8Array, generation: Hex): void {
    if (this.#tracker.size >= this.#options.window || cursor <= this.#newest) {
      // Memory here is bounded by what was asked for, whatever a relay sends.
      const reason = 'a delivery came that was not asked for, or out of order';
      this.#connection?.close(new RelayError('bad-frame', { details: { reason } }));
      return;
    }
    this.#newest = cursor;
    this.#tracker.delivered(cursor);
    if (cursor <= this.#seen) {
      if (!this.#unacknowledged.has(cursor)) this.#done(cursor);
      return;
    }
    this.#seen = cursor;
    const signature = toHex(signedEnvelope.subarray(signatureStart, signatureEnd));
    const before = this.#recent.get(signature);
    if (before?.isAcknowledged === true) {
      this.#done(cursor);
      return;
    }
    this.#unacknowledged.add(cursor);
    if (before !== undefined) {
      this.#unacknowledged.delete(before.cursor);
      this.#done(before.cursor);
      before.cursor = cursor;
      return;
    }
    const given: Given = { cursor, isAcknowledged: false };
    this.#recent.set(signature, given);
    const ack = (): void => {
      if (generation !== this.#generation || given.isAcknowledged) return;
      given.isAcknowledged = true;
      this.#unacknowledged.delete(given.cursor);
      this.#done(given.cursor);
    };
    this.#subscriber.next({ type: 'delivery', cursor, signedEnvelope, ack });
  }

  #done(cursor: bigint): void {
    const done = this.#tracker.done(cursor);
    if (done === undefined) return;
    this.#connection?.ack(done.upTo);
    this.#connection?.credit(done.count);
  }
}

function isOver(signal: AbortSignal): boolean {
  return signal.aborted;
}
