import type { Hex } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { withDeadline } from './deadline.ts';
import { decodeRelayFrame, encodeClientFrame, type ClientFrame, type RelayFrame } from './frames.ts';
import type { Socket, Transport } from './transport.ts';
import { fromWire, parseDetails } from './wire-error.ts';

export interface ConnectionOptions {
  /** ws(s) URL of the relay's /v1/ws. */
  readonly url: string;
  readonly genesisHash: Hex;
  readonly transport: Transport;
  /** For the first frame and for each answer, ms. */
  readonly timeoutMs: number;
}

type Answer = Extract<RelayFrame, { type: 'receipt' | 'challenge' | 'logged-in' }>;
type Delivery = Extract<RelayFrame, { type: 'delivery' }>;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RelayError) => void;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** A request as its caller gives it: the connection chooses the id. */
export type ClientRequest = DistributiveOmit<Extract<ClientFrame, { id: number }>, 'id'>;

/** One WebSocket to a relay, used by many callers at once. Opens when made; does not come back when lost. */
export class Connection {
  readonly url: string;
  /** Resolves with why it ended; never rejects. */
  readonly ended: Promise<RelayError>;
  /** When it last had something to do, Unix ms. */
  usedAt = Date.now();
  readonly #options: ConnectionOptions;
  readonly #socket: Socket | undefined;
  readonly #waiting = new Map<number, Waiting>();
  readonly #queue = new Set<() => void>();
  readonly #greeted: Promise<void>;
  #greet: () => void = () => undefined;
  #end: (why: RelayError) => void = () => undefined;
  #failure: RelayError | undefined;
  #window = 0;
  /** Places of the window: requests that the relay has not answered, whether or not someone still waits. */
  #taken = 0;
  #nextId = 1;
  #onDelivery: ((delivery: Delivery) => void) | undefined;

  constructor(options: ConnectionOptions) {
    const { url, transport } = options;
    this.url = url;
    this.#options = options;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.#greeted = new Promise((resolve) => (this.#greet = resolve));
    try {
      this.#socket = transport.connect(url, {
        opened: () => undefined,
        message: (bytes) => {
          this.#receive(bytes);
        },
        closed: (reason) => {
          this.#fail(lost(url, reason));
        },
      });
    } catch (error) {
      this.#fail(asRelayError(error, 'relay-connection-lost', { endpoint: url }));
    }
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Requests without an answer, and those that wait for their turn. */
  get pending(): number {
    return this.#waiting.size + this.#queue.size;
  }

  /** Throws what the relay answers, relay-connection-lost, relay-timeout, aborted. */
  async request(request: ClientRequest, signal?: AbortSignal): Promise<Answer> {
    const { url: endpoint, timeoutMs } = this.#options;
    this.usedAt = Date.now();
    return withDeadline({ signal, timeoutMs, endpoint }, async (ended) => {
      await this.#greeted;
      await this.#turn(ended);
      return this.#ask(request);
    });
  }

  /** Told of each delivery from now on. */
  onDelivery(listener: (delivery: Delivery) => void): void {
    this.#onDelivery = listener;
  }

  credit(deliveries: number): void {
    this.#write({ type: 'credit', deliveries });
  }

  ack(upTo: bigint): void {
    this.#write({ type: 'ack', upTo });
  }

  /** What was written before is still sent. Idempotent. */
  close(why = lost(this.url, 'it was closed here')): void {
    this.#fail(why);
    this.#socket?.close();
  }

  /** Resolves when one more request fits into the relay's window, and takes that place. */
  async #turn(ended: AbortSignal): Promise<void> {
    ended.throwIfAborted();
    while (this.#failure === undefined && this.#taken >= this.#window)
      await new Promise<void>((resolve, reject) => {
        this.#queue.add(resolve);
        ended.addEventListener('abort', () => {
          this.#queue.delete(resolve);
          reject(ended.reason as RelayError);
        });
      });
    this.#taken += 1;
  }

  #ask(request: ClientRequest): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const id = this.#nextId;
    this.#nextId = id === 0xffffffff ? 1 : id + 1;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#write({ ...request, id });
    });
  }

  #write(frame: ClientFrame): void {
    if (this.#failure === undefined) this.#socket?.send(encodeClientFrame(frame));
  }

  #receive(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    try {
      this.#handle(decodeRelayFrame(bytes));
    } catch (error) {
      this.close(asRelayError(error, 'bad-frame', { endpoint: this.url }));
    }
  }

  #handle(frame: RelayFrame): void {
    switch (frame.type) {
      case 'hello':
        this.#hello(frame);
        return;
      case 'error':
        this.#refused(frame);
        return;
      case 'delivery':
        this.usedAt = Date.now();
        this.#onDelivery?.(frame);
        return;
      case 'acked':
        return;
      default:
        this.#settle(frame.id)?.resolve(frame);
    }
  }

  #hello({ genesisHash, window }: Extract<RelayFrame, { type: 'hello' }>): void {
    const expected = this.#options.genesisHash;
    if (genesisHash !== expected)
      throw new RelayError('wrong-chain', { details: { url: this.url, actual: genesisHash, expected } });
    this.#window = Math.max(1, window);
    this.#greet();
  }

  #refused({ id, details, ...wire }: Extract<RelayFrame, { type: 'error' }>): void {
    const error = fromWire({ ...wire, details: parseDetails(details) }, this.url);
    if (id === 0) this.#fail(error);
    else this.#settle(id)?.reject(error);
  }

  /** undefined: answered before, or never asked. */
  #settle(id: number): Waiting | undefined {
    const waiting = this.#waiting.get(id);
    if (this.#waiting.delete(id)) this.#taken -= 1;
    this.#resumeNext();
    return waiting;
  }

  #resumeNext(): void {
    const [resume] = this.#queue;
    if (resume === undefined) return;
    this.#queue.delete(resume);
    resume();
  }

  #fail(why: RelayError): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
    for (const resume of this.#queue) resume();
    this.#queue.clear();
    this.#greet();
    this.#end(why);
  }
}

function lost(endpoint: string, reason: string): RelayError {
  return new RelayError('relay-connection-lost', { details: { endpoint, reason } });
}
