import type { Hex } from '../codec/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import { withDeadline } from './deadline.ts';
import { decodeRelayFrame, encodeClientFrame, type ClientFrame, type RelayFrame } from './frames.ts';
import { originOf } from './relay-url.ts';
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

type Answer = Extract<RelayFrame, { type: 'receipt' | 'challenge' | 'logged-in' | 'reply' }>;
type AnswerOf<T extends Answer['type']> = Extract<Answer, { type: T }>;
type Delivery = Extract<RelayFrame, { type: 'delivery' }>;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: RelayError) => void;
  /** Of what may stay unanswered for long. */
  readonly isOutsideWindow?: boolean;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** What a recipient signs; Vault.sign takes it. */
export interface LoginRequest {
  readonly type: 'login';
  readonly genesisHash: Hex;
  readonly origin: string;
  readonly serverNonce: Uint8Array;
  readonly expiresAt: bigint;
}

/** Who proves to be somebody (protocol.md §11). */
export interface Prover {
  readonly identity: Hex;
  /** 64-byte signature by `identity`. */
  readonly sign: (login: LoginRequest) => Promise<Uint8Array>;
}

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
  #identity: Hex | undefined;
  #proof: Promise<AnswerOf<'logged-in'>> | undefined;
  /** Proofs take turns: a relay remembers one challenge. */
  #proving: Promise<unknown> = Promise.resolve();
  /** Frames that came: whether the peer gave a sign of life. */
  #heard = 0;

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

  /** Makes it the connection of one identity; false where it is another's. */
  claim(identity: Hex): boolean {
    this.#identity ??= identity;
    return this.#identity === identity;
  }

  /** Throws what the relay answers, relay-connection-lost, relay-timeout, aborted. */
  async request(request: ClientRequest, signal?: AbortSignal): Promise<Answer> {
    const { url: endpoint, timeoutMs } = this.#options;
    this.usedAt = Date.now();
    let heard: number | undefined;
    try {
      return await withDeadline({ signal, timeoutMs, endpoint }, async (ended) => {
        await this.#greeted;
        await this.#turn(ended);
        heard = this.#heard;
        return this.#ask(request);
      });
    } catch (error) {
      // Not even another frame came: the next request shall not wait as long for a peer that is gone.
      if (isRelayError(error, 'relay-timeout') && (heard ?? this.#heard) === this.#heard) this.close(error);
      throw error;
    }
  }

  /** Proves an identity, once for all who need it; `login` opens its mailbox too. Throws as request, and login-refused. */
  prove(kind: 'prove' | 'login', prover: Prover, signal?: AbortSignal): Promise<AnswerOf<'logged-in'>> {
    if (kind === 'prove' && this.#proof !== undefined) return this.#proof;
    const proof = this.#proving.then(() => this.#prove(kind, prover, signal));
    this.#proving = proof.catch(() => undefined);
    this.#proof = proof;
    proof.catch(() => {
      if (this.#proof === proof) this.#proof = undefined;
    });
    return proof;
  }

  /**
   * The first answer to one's own key after a cursor, however long it takes. Throws relay-connection-lost, aborted and what
   * the relay answers.
   */
  async awaitReply(senderKey: Uint8Array, after: bigint, signal: AbortSignal): Promise<AnswerOf<'reply'>> {
    await this.#greeted;
    const id = this.#newId();
    const leave = (): void => {
      // An answer that is on its way finds nobody; the relay forgets the question.
      this.#waiting.delete(id);
      this.replyDone(senderKey, 0n);
    };
    return new Promise((resolve, reject) => {
      const fail = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      if (signal.aborted || this.#failure !== undefined) {
        reject(this.#failure ?? (signal.reason as Error));
        return;
      }
      signal.addEventListener('abort', fail);
      const settled = (): void => {
        signal.removeEventListener('abort', fail);
      };
      this.#waiting.set(id, {
        isOutsideWindow: true,
        resolve: (answer) => {
          settled();
          if (answer.type === 'reply') resolve(answer);
          else reject(unexpected(answer.type));
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.#write({ type: 'await-reply', id, senderKey, after });
    });
  }

  /** Done with the answers to a key up to a cursor. */
  replyDone(senderKey: Uint8Array, upTo: bigint): void {
    this.#write({ type: 'reply-done', senderKey, upTo });
  }

  /** Closes the connection unless the relay gives a sign of life within the time of an answer. */
  async probe(): Promise<void> {
    if (this.#proof === undefined) return;
    const probing = this.#proving.then(() => this.request({ type: 'challenge-me' }));
    this.#proving = probing.catch(() => undefined);
    await this.#proving;
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
    const id = this.#newId();
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#write({ ...request, id });
    });
  }

  async #prove(
    kind: 'prove' | 'login',
    { identity, sign }: Prover,
    signal: AbortSignal | undefined,
  ): Promise<AnswerOf<'logged-in'>> {
    const challenge = await this.request({ type: 'challenge-me' }, signal);
    if (challenge.type !== 'challenge') throw unexpected(challenge.type);
    const { serverNonce, expiresAt } = challenge;
    const origin = originOf(this.url);
    const { genesisHash } = this.#options;
    const signature = await sign({ type: 'login', genesisHash, origin, serverNonce, expiresAt });
    const answer = await this.request({ type: kind, identity, origin, signature }, signal);
    if (answer.type !== 'logged-in') throw unexpected(answer.type);
    return answer;
  }

  #newId(): number {
    const id = this.#nextId;
    this.#nextId = id === 0xffffffff ? 1 : id + 1;
    return this.#waiting.has(id) ? this.#newId() : id;
  }

  #write(frame: ClientFrame): void {
    if (this.#failure === undefined) this.#socket?.send(encodeClientFrame(frame));
  }

  #receive(bytes: Uint8Array): void {
    if (this.#failure !== undefined) return;
    this.#heard += 1;
    try {
      this.#handle(decodeRelayFrame(bytes));
    } catch (error) {
      this.close(frameError(error));
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
    if (this.#waiting.delete(id) && waiting?.isOutsideWindow !== true) this.#taken -= 1;
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

/** What ends a connection whose frames can't be read. */
function frameError(error: unknown): RelayError {
  if (isRelayError(error, 'wrong-chain') || isRelayError(error, 'bad-frame')) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new RelayError('bad-frame', { details: { reason }, cause: error });
}

function unexpected(type: string): RelayError {
  return new RelayError('bad-frame', { details: { reason: `${type} answers another request` } });
}
