import type { Observable } from 'rxjs';
import { decodeSignedEnvelope, messageId, type Hex } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { ConnectionPool } from './connection-pool.ts';
import { withDeadline } from './deadline.ts';
import type { FrameStatus } from './frames.ts';
import { postMessage } from './post-message.ts';
import { receiveFrom, type ReceiveOptions, type ReceiverEvent } from './receiver.ts';
import { routeUrl } from './relay-url.ts';
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
}

export interface SendReceipt {
  /** The one that took it. */
  readonly endpoint: string;
  readonly status: FrameStatus;
  readonly messageId: Hex;
}

export interface SendOptions {
  readonly signal?: AbortSignal;
}

/** Talks to relays: as a sender, as a recipient, or both over one connection. */
export interface RelayClient extends AsyncDisposable {
  /**
   * Sends a message (SCALE of a SignedEnvelope) to the first endpoint that takes it; resolves when it is durable there.
   * ws(s) endpoints share a pipelined connection each; http(s) ones take a POST, unless there is such a connection.
   * Throws epoch-erased (with `details.record`) at once, else what all endpoints answered, or no-endpoint-answered where
   * they differ; aborted, client-stopped.
   */
  send(signedEnvelope: Uint8Array, endpoints: readonly string[], options?: SendOptions): Promise<SendReceipt>;
  /** Deliveries of a mailbox, from subscription to unsubscription. Errors are told in {@link receiveFrom}. */
  receive(options: ReceiveOptions): Observable<ReceiverEvent>;
  /** Ends all connections. Idempotent. */
  stop(): Promise<void>;
}

const defaults = { timeoutMs: 10_000, idleMs: 60_000, maxConnections: 64 };

// The word of the recipient's own vault, which its other endpoints would repeat, and what the caller did.
const isLastWord: ReadonlySet<string> = new Set(['epoch-erased', 'aborted', 'client-stopped']);

export function createClient(options: RelayClientOptions): RelayClient {
  return new TransportClient(options);
}

class TransportClient implements RelayClient {
  readonly #options: RelayClientOptions & typeof defaults;
  readonly #pool: ConnectionPool;
  readonly #stopped = new AbortController();

  constructor(options: RelayClientOptions) {
    this.#options = { ...defaults, ...options };
    this.#pool = new ConnectionPool(this.#options);
  }

  async send(
    signedEnvelope: Uint8Array,
    endpoints: readonly string[],
    { signal }: SendOptions = {},
  ): Promise<SendReceipt> {
    const { genesisHash } = this.#options;
    const id = messageId({ genesisHash, envelope: decodeSignedEnvelope(signedEnvelope).envelope });
    const failures: RelayError[] = [];
    for (const endpoint of endpoints) {
      try {
        return await this.#sendTo(endpoint, signedEnvelope, id, signal);
      } catch (error) {
        const failure = asRelayError(error, 'endpoint-failed', { endpoint });
        if (isLastWord.has(failure.code)) throw failure;
        failures.push(failure);
      }
    }
    throw summary(failures);
  }

  receive(options: ReceiveOptions): Observable<ReceiverEvent> {
    return receiveFrom({ genesisHash: this.#options.genesisHash, pool: this.#pool }, options);
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

  async #sendTo(endpoint: string, bytes: Uint8Array, id: Hex, signal: AbortSignal | undefined): Promise<SendReceipt> {
    if (this.#stopped.signal.aborted) throw new RelayError('client-stopped');
    if (!URL.canParse(endpoint))
      throw new RelayError('endpoint-refused', {
        details: { endpoint: endpoint.slice(0, 200), reason: 'it is not a URL' },
      });
    const connection = /^wss?:/i.test(endpoint) ? this.#pool.get(endpoint) : this.#pool.existing(endpoint);
    const receipt =
      connection === undefined
        ? await this.#post(endpoint, bytes, signal)
        : await connection.request({ type: 'send', signedEnvelope: bytes }, signal);
    if (receipt.type !== 'receipt' || receipt.messageId !== id)
      throw new RelayError('endpoint-failed', { details: { endpoint, reason: 'it acknowledged another message' } });
    return { endpoint, status: receipt.status, messageId: id };
  }

  #post(endpoint: string, bytes: Uint8Array, signal: AbortSignal | undefined) {
    const { transport, timeoutMs } = this.#options;
    const url = routeUrl(endpoint, 'http', '/v1/messages');
    return withDeadline({ signal, timeoutMs, endpoint }, (ended) => postMessage(transport, url, bytes, ended));
  }
}

function summary(failures: readonly RelayError[]): RelayError {
  const last = failures.at(-1);
  if (last !== undefined && failures.every(({ code }) => code === last.code)) return last;
  const reason = last?.message ?? 'there is none';
  return new RelayError('no-endpoint-answered', { details: { count: failures.length, reason }, cause: last });
}
