import { Observable } from 'rxjs';
import { newerKey } from '../channel/newer-key.ts';
import { decodeSignedEnvelope, messageId, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { asRelayError, checkValue, isRelayError, RelayError } from '../errors/index.ts';
import { checkTimer, LinkedAbort } from '../signals/index.ts';
import type { SentMessage } from './client-frames.ts';
import { ConnectionPool } from './connection-pool.ts';
import type { Prover } from './prover.ts';
import { withDeadline } from './deadline.ts';
import { awaitDelivered, type DeliveryWait } from './delivery-waiter.ts';
import { EndpointHealth, type EndpointHealthOptions } from './endpoint-health.ts';
import { postMessage, type PostedReceipt } from './post-message.ts';
import { receiveFrom, type ReceiveOptions, type ReceiverEvent } from './receiver.ts';
import type { FrameStatus } from './relay-frames.ts';
import { routeUrl } from './relay-url.ts';
import { mayBeHandedOn } from './reply-places.ts';
import { awaitReply, type ReplyWait } from './reply-waiter.ts';
import type { Transport } from './transport.ts';

export interface RelayClientOptions {
  readonly genesisHash: Hex;
  readonly transport: Transport;
  /** For one endpoint to answer, ms. Default 10 000. */
  readonly timeoutMs?: number;
  /** An unused connection is closed after this, ms. Default 60 000. */
  readonly idleMs?: number;
  /** Connections at once. Default 64. */
  readonly maxConnections?: number;
  readonly health?: EndpointHealthOptions;
}

export interface SendReceipt {
  /** The one that took it. */
  readonly endpoint: string;
  readonly status: FrameStatus;
  readonly messageId: Hex;
}

/** Of a message that was sent. */
export interface SentReceipt extends SendReceipt {
  /**
   * `status`, and then `delivered` once the recipient has acknowledged the message to the relay that keeps its mail, which is
   * asked from subscription on. Completes after that, and without it where no relay can tell or the client is stopped.
   */
  readonly status$: Observable<FrameStatus>;
}

export interface SendOptions {
  readonly signal?: AbortSignal;
}

/** Talks to relays: as a sender, as a recipient, or both over one connection. */
export interface RelayClient extends AsyncDisposable {
  /**
   * Sends a message (SCALE of a SignedEnvelope) to the first endpoint that takes it, those first that did well before;
   * resolves when it is durable there. A connection that is lost meanwhile is made again, once, before the next is tried.
   * ws(s) endpoints share a pipelined connection each; http(s) ones take a POST, unless there is such a connection.
   * Throws epoch-erased at once where `details.record` is the recipient's, else what all endpoints answered, or no-endpoint-answered where
   * they differ; aborted, client-stopped.
   */
  send(signedEnvelope: Uint8Array, endpoints: readonly string[], options?: SendOptions): Promise<SentReceipt>;
  /** Deliveries of a mailbox, from subscription to unsubscription. Errors are told in {@link receiveFrom}. */
  receive(options: ReceiveOptions): Observable<ReceiverEvent>;
  /**
   * Waits at a relay for what is answered to a key, over as many connections as it takes. Errors are told in
   * {@link awaitReply}; client-stopped.
   */
  awaitReply<T>(wait: ReplyWait<T>): Promise<T>;
  /**
   * Resolves when the recipient of a message has acknowledged it to the relay that keeps its mail. Errors are told in
   * {@link awaitDelivered}; client-stopped, aborted.
   */
  awaitDelivered(wait: DeliveryWait): Promise<void>;
  /**
   * Leaves an answer (SCALE of a SignedEnvelope) at a relay that takes mail for its sender, for the key that it is sealed
   * to; resolves when it is durable there. Throws what the relay answers, relay-connection-lost, relay-timeout, aborted.
   */
  postReply(signedEnvelope: Uint8Array, url: string, sender: Prover, options?: SendOptions): Promise<SendReceipt>;
  /** Ends all connections. Idempotent. */
  stop(): Promise<void>;
}

const defaults = { timeoutMs: 10_000, idleMs: 60_000, maxConnections: 64 };

// What the caller did.
const isOver: ReadonlySet<string> = new Set(['aborted', 'client-stopped']);

// Tells of the endpoint, not of the message.
const isOfEndpoint: ReadonlySet<string> = new Set([
  'endpoint-failed',
  'endpoint-refused',
  'relay-busy',
  'relay-connection-lost',
  'relay-failed',
  'relay-refused',
  'relay-stopping',
  'relay-timeout',
  'bad-frame',
  'wrong-chain',
]);

export function createClient(options: RelayClientOptions): RelayClient {
  return new TransportClient(options);
}

class TransportClient implements RelayClient {
  readonly #options: RelayClientOptions & typeof defaults;
  readonly #pool: ConnectionPool;
  readonly #health: EndpointHealth;
  readonly #stopped = new AbortController();

  constructor(options: RelayClientOptions) {
    this.#options = { ...defaults, ...options };
    const { timeoutMs, idleMs, maxConnections } = this.#options;
    checkTimer('timeoutMs', timeoutMs);
    checkTimer('idleMs', idleMs);
    checkValue('maxConnections', maxConnections >= 1, '1 or more');
    this.#health = new EndpointHealth(options.health);
    // Last: its timer runs.
    this.#pool = new ConnectionPool(this.#options);
  }

  async send(
    signedEnvelope: Uint8Array,
    endpoints: readonly string[],
    { signal }: SendOptions = {},
  ): Promise<SentReceipt> {
    const { genesisHash } = this.#options;
    const { envelope } = decodeSignedEnvelope(signedEnvelope);
    const id = messageId({ genesisHash, envelope });
    const { to, sentAt } = decodeV1(envelope).header;
    const failures: RelayError[] = [];
    for (const endpoint of this.#health.ranked(endpoints, to)) {
      try {
        const receipt = await this.#again(() => this.#sendTo(endpoint, signedEnvelope, id, signal));
        this.#health.succeeded(endpoint, to, receipt.status === 'delivered');
        return { ...receipt, status$: this.#status$(receipt, { to, messageId: id, sentAt }, endpoints) };
      } catch (error) {
        const failure = asRelayError(error, 'endpoint-failed', { endpoint });
        // The recipient's own signed word its other endpoints would repeat.
        const isItsWord = newerKey(failure, { genesisHash, identity: to, used: { epoch: -1 } }) !== undefined;
        if (isItsWord || isOver.has(failure.code)) throw failure;
        if (isOfEndpoint.has(failure.code)) this.#health.failed(endpoint);
        failures.push(failure);
      }
    }
    throw summary(failures);
  }

  awaitReply<T>(wait: ReplyWait<T>): Promise<T> {
    return this.#wait(wait.signal, (signal) => awaitReply(this.#pool, { ...wait, signal }));
  }

  awaitDelivered(wait: DeliveryWait): Promise<void> {
    return this.#wait(wait.signal, (signal) => awaitDelivered(this.#pool, { ...wait, signal }));
  }

  async postReply(
    signedEnvelope: Uint8Array,
    url: string,
    sender: Prover,
    { signal }: SendOptions = {},
  ): Promise<SendReceipt> {
    const { genesisHash } = this.#options;
    const id = messageId({ genesisHash, envelope: decodeSignedEnvelope(signedEnvelope).envelope });
    return this.#again(async () => {
      this.#checkRunning();
      const connection = this.#pool.forIdentity({ url }, sender.identity);
      await connection.prove('prove', sender, signal);
      const receipt = await connection.request({ type: 'post-reply', signedEnvelope }, signal);
      return checked(receipt, id, url);
    });
  }

  receive(options: ReceiveOptions): Observable<ReceiverEvent> {
    return receiveFrom({ pool: this.#pool }, options);
  }

  async stop(): Promise<void> {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#pool.close();
    await this.#options.transport.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #wait<T>(given: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.#checkRunning();
    const ended = new LinkedAbort(given, this.#stopped.signal);
    try {
      return await work(ended.signal);
    } catch (error) {
      this.#checkRunning();
      if (!given.aborted || isRelayError(error)) throw error;
      throw new RelayError('aborted', { cause: error });
    } finally {
      ended.unlink();
    }
  }

  #status$(
    { endpoint: url, status }: SendReceipt,
    message: SentMessage,
    endpoints: readonly string[],
  ): Observable<FrameStatus> {
    return new Observable((subscriber) => {
      subscriber.next(status);
      if (status === 'delivered') {
        subscriber.complete();
        return;
      }
      const ended = new AbortController();
      const handedOn = mayBeHandedOn(status) ? { handedOn: { to: message.to, endpoints } } : {};
      this.awaitDelivered({ url, ...message, ...handedOn, signal: ended.signal })
        .then(
          () => {
            subscriber.next('delivered');
          },
          // It is as it was: nobody tells more.
          () => undefined,
        )
        .finally(() => {
          subscriber.complete();
        });
      return () => {
        ended.abort();
      };
    });
  }

  async #sendTo(endpoint: string, bytes: Uint8Array, id: Hex, signal: AbortSignal | undefined): Promise<SendReceipt> {
    this.#checkRunning();
    if (!URL.canParse(endpoint))
      throw new RelayError('endpoint-refused', {
        details: { endpoint: endpoint.slice(0, 200), reason: 'it is not a URL' },
      });
    const connection = /^wss?:/i.test(endpoint) ? this.#pool.get(endpoint) : this.#pool.existing(endpoint);
    const receipt =
      connection === undefined
        ? await this.#post(endpoint, bytes, signal)
        : await connection.request({ type: 'send', signedEnvelope: bytes }, signal);
    return checked(receipt, id, endpoint);
  }

  /** Once more where the connection was lost: it may have been gone before, and what was sent is known by its id. */
  async #again<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!isRelayError(error, 'relay-connection-lost')) throw error;
      return work();
    }
  }

  #checkRunning(): void {
    if (this.#stopped.signal.aborted) throw new RelayError('client-stopped');
  }

  #post(endpoint: string, bytes: Uint8Array, signal: AbortSignal | undefined) {
    const { transport, timeoutMs } = this.#options;
    const url = routeUrl(endpoint, 'http', '/v1/messages');
    return withDeadline({ signal, timeoutMs, endpoint }, (ended) => postMessage(transport, url, bytes, ended));
  }
}

function checked(answer: { readonly type: string }, id: Hex, endpoint: string): SendReceipt {
  const receipt = answer as Partial<PostedReceipt>;
  if (receipt.type !== 'receipt' || receipt.messageId !== id || receipt.status === undefined)
    throw new RelayError('endpoint-failed', { details: { endpoint, reason: 'it acknowledged another message' } });
  return { endpoint, status: receipt.status, messageId: id };
}

function summary(failures: readonly RelayError[]): RelayError {
  const last = failures.at(-1);
  if (last !== undefined && failures.every(({ code }) => code === last.code)) return last;
  const reason = last?.message ?? 'there is none';
  return new RelayError('no-endpoint-answered', { details: { count: failures.length, reason }, cause: last });
}
