import type { Hex } from '../codec/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import { onAbort } from '../signals/index.ts';
import { encodeClientFrame, type ClientFrame, type SentMessage } from './client-frames.ts';
import type { Answer, ClientRequest } from './client-request.ts';
import { withDeadline } from './deadline.ts';
import type { FrameVersion } from './frames.ts';
import { PendingAnswers } from './pending-answers.ts';
import { Proofs, type LoggedIn } from './proofs.ts';
import type { Prover } from './prover.ts';
import { decodeRelayFrame, type RelayFrame } from './relay-frames.ts';
import type { Dial } from './relay-way.ts';
import type { Socket, Transport } from './transport.ts';
import { unexpected } from './unexpected-answer.ts';
import { fromWire, parseDetails } from './wire-error.ts';

export interface ConnectionOptions {
  readonly dial: Dial;
  readonly genesisHash: Hex;
  readonly transport: Transport;
  /** For the first frame and for each answer, ms. */
  readonly timeoutMs: number;
}

type AnswerOf<T extends Answer['type']> = Extract<Answer, { type: T }>;
type Delivery = Extract<RelayFrame, { type: 'delivery' }>;

/** One WebSocket to a relay, used by many callers at once. Opens when made; does not come back when lost. */
export class Connection {
  readonly url: string;
  /** Resolves with why it ended; never rejects. */
  readonly ended: Promise<RelayError>;
  /** When it last had something to do, Unix ms. */
  usedAt = Date.now();
  readonly #options: ConnectionOptions;
  readonly #socket: Socket | undefined;
  readonly #pending = new PendingAnswers<Answer>();
  readonly #proofs: Proofs;
  readonly #greeted: Promise<void>;
  #greet: () => void = () => undefined;
  #end: (why: RelayError) => void = () => undefined;
  #failure: RelayError | undefined;
  #onDelivery: ((delivery: Delivery) => void) | undefined;
  #identity: Hex | undefined;
  #frames: FrameVersion = 1;
  /** Frames that came: whether the peer gave a sign of life. */
  #heard = 0;

  constructor(options: ConnectionOptions) {
    const { dial, genesisHash, transport } = options;
    const { url, origin, query } = dial;
    this.url = url;
    this.#options = options;
    this.#proofs = new Proofs({ origin, genesisHash, request: this.request.bind(this) });
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.#greeted = new Promise((resolve) => (this.#greet = resolve));
    try {
      const handlers = {
        opened: () => undefined,
        message: (bytes: Uint8Array) => {
          this.#receive(bytes);
        },
        closed: (reason: string) => {
          this.#fail(lost(url, reason));
        },
      };
      this.#socket = transport.connect(url, handlers, query);
    } catch (error) {
      this.#fail(asRelayError(error, 'relay-connection-lost', { endpoint: url }));
    }
  }

  get isOpen(): boolean {
    return this.#failure === undefined;
  }

  /** Requests without an answer, and those that wait for their turn. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Makes it the connection of one identity; false where it is another's. */
  claim(identity: Hex): boolean {
    this.#identity ??= identity;
    return this.#identity === identity;
  }

  /** Throws what the relay answers, relay-connection-lost, relay-timeout, aborted. */
  async request(request: ClientRequest, signal?: AbortSignal): Promise<Answer> {
    const { timeoutMs } = this.#options;
    const endpoint = this.url;
    this.usedAt = Date.now();
    let heard: number | undefined;
    try {
      return await withDeadline({ signal, timeoutMs, endpoint }, async (ended) => {
        await this.#greeted;
        await this.#pending.turn(ended);
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
  prove(kind: 'prove' | 'login', prover: Prover, signal?: AbortSignal): Promise<LoggedIn> {
    return this.#proofs.prove(kind, prover, signal);
  }

  /**
   * The first answer to one's own key after a cursor, however long it takes. Throws relay-connection-lost, aborted and what
   * the relay answers.
   */
  async awaitReply(senderKey: Uint8Array, after: bigint, signal: AbortSignal): Promise<AnswerOf<'reply'>> {
    await this.#greeted;
    const answer = await this.#await({ type: 'await-reply', senderKey, after }, signal, () => {
      this.replyDone(senderKey, 0n);
    });
    if (answer.type !== 'reply') throw unexpected(answer.type);
    return answer;
  }

  /**
   * Resolves when the owner of a mailbox has acknowledged a message, however long it takes. Throws delivery-untold,
   * relay-connection-lost, aborted and what the relay answers.
   */
  async awaitDelivered(message: SentMessage, signal: AbortSignal): Promise<void> {
    await this.#greeted;
    if (this.#failure === undefined && this.#frames < 2)
      throw new RelayError('delivery-untold', { details: { reason: `the relay "${this.url}" is too old for that` } });
    const answer = await this.#await({ type: 'await-delivered', ...message }, signal, (id) => {
      this.#write({ type: 'forget', id });
    });
    if (answer.type !== 'receipt' || answer.messageId !== message.messageId) throw unexpected(answer.type);
  }

  /** Done with the answers to a key up to a cursor. */
  replyDone(senderKey: Uint8Array, upTo: bigint): void {
    this.#write({ type: 'reply-done', senderKey, upTo });
  }

  /** Closes the connection unless the relay gives a sign of life within the time of an answer. */
  probe(): Promise<void> {
    return this.#proofs.probe();
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

  /** What stays unanswered for as long as it takes. `leave` tells the relay that it is waited for no more. */
  #await(request: ClientRequest, signal: AbortSignal, leave: (id: number) => void): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (signal.aborted || this.#failure !== undefined) {
        reject(this.#failure ?? (signal.reason as Error));
        return;
      }
      const giveUp = (): void => {
        // An answer that is on its way finds nobody; the relay forgets the question.
        this.#pending.drop(id);
        leave(id);
        reject(signal.reason as Error);
      };
      const settled = onAbort(signal, giveUp);
      const id = this.#pending.add({
        isOutsideWindow: true,
        resolve: (answer) => {
          settled();
          resolve(answer);
        },
        reject: (error) => {
          settled();
          reject(error);
        },
      });
      this.#write({ ...request, id });
    });
  }

  #ask(request: ClientRequest): Promise<Answer> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => {
      this.#write({ ...request, id: this.#pending.add({ resolve, reject }) });
    });
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
        this.#pending.settle(frame.id)?.resolve(frame);
    }
  }

  #hello({ version = 1, genesisHash, window }: Extract<RelayFrame, { type: 'hello' }>): void {
    const expected = this.#options.genesisHash;
    if (genesisHash !== expected)
      throw new RelayError('wrong-chain', { details: { url: this.url, actual: genesisHash, expected } });
    this.#frames = version;
    this.#pending.setWindow(window);
    this.#greet();
  }

  #refused({ id, details, ...wire }: Extract<RelayFrame, { type: 'error' }>): void {
    const error = fromWire({ ...wire, details: parseDetails(details) }, this.url);
    if (id === 0) this.#fail(error);
    else this.#pending.settle(id)?.reject(error);
  }

  #fail(why: RelayError): void {
    if (this.#failure !== undefined) return;
    this.#failure = why;
    this.#pending.fail(why);
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
