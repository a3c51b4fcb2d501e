import { onAbort } from '../../signals/index.ts';
import { aborted, throwIfAborted } from '../abort.ts';
import { AckNudge } from './ack-nudge.ts';
import { readFrame, type ResultReader } from './frame.ts';
import { frameMemory } from './frame-memory.ts';
import { asRpcError, isMessage, type Message } from './message.ts';
import { BatchRefused, ConnectionLost } from './rpc-error.ts';
import { callText, RpcBatch, type RpcCall } from './rpc-batch.ts';
import { Subscriptions, type Listener } from './subscriptions.ts';
import { Deadlines, type Due } from './deadlines.ts';
import { SendWindow } from './send-window.ts';
import { createWebSocket, type PlainSocket } from './web-socket.ts';

/** How long one request may take before its socket counts as dead. */
const requestTimeoutMs = 30_000;
/** Frames on the way at once. */
const maxInFlight = 32;
/** WebSocket close code: a message was too big for its receiver (RFC 6455, section 7.4.1). */
const tooBigCode = 1009;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** ms. Past it the socket is closed: a silent node is a dead one. Default 30 000. */
  readonly timeoutMs?: number;
  /** Reads the answer, where frames come as bytes; an error of the node is not its business. Where it throws, the socket ends. */
  readonly reader?: ResultReader | undefined;
}

interface Pending extends Due {
  readonly id: number;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly reader: ResultReader | undefined;
  /** Set for subscriptions: called before any notification of theirs. */
  readonly onResult: ((result: unknown) => void) | undefined;
}

/**
 * JSON-RPC 2.0 over one WebSocket, from open to close. It caches nothing and never reconnects: @polkadot's WsProvider
 * keeps rejected answers for 30 s and can hang after a resubscription.
 */
export class RpcSocket {
  readonly url: string;
  /** Resolves when the socket is gone. */
  readonly closed: Promise<ConnectionLost>;
  readonly #socket: PlainSocket;
  // Under way, oldest first. Lists, as they are short: of a map V8 keeps what was in it until it collects old garbage.
  readonly #pending: Pending[] = [];
  readonly #batches: RpcBatch[] = [];
  readonly #subscriptions = new Subscriptions();
  readonly #window = new SendWindow(maxInFlight, () => this.#pending.length + this.#batches.length);
  readonly #deadlines = new Deadlines(
    () => this.#pending,
    ({ method, timeoutMs }) => this.#end(unanswered(method, timeoutMs)),
  );
  /** undefined where sockets send no pongs. */
  readonly #nudge: AckNudge | undefined;
  #nextId = 1;
  #lost: ConnectionLost | undefined;
  #resolveClosed: (lost: ConnectionLost) => void = () => undefined;

  private constructor(url: string, socket: PlainSocket) {
    this.url = url;
    this.#socket = socket;
    const isAwaiting = (): boolean =>
      this.#pending.length + this.#batches.length > 0 || this.#subscriptions.isAwaitingFirst;
    if (socket.pong !== undefined) this.#nudge = new AckNudge(isAwaiting, () => socket.pong?.());
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
  }

  /** Throws ConnectionLost, or aborted. */
  static async open(
    url: string,
    { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
  ): Promise<RpcSocket> {
    throwIfAborted(signal);
    const socket = await createWebSocket(url, (frame) => {
      rpc.#receive(frame);
    });
    const rpc = new RpcSocket(url, socket);
    let failure = 'it closed the connection';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        rpc.#end(`it does not answer within ${timeoutMs} ms`);
      }, timeoutMs);
      const off = onAbort(signal, () => {
        rpc.#end('given up');
      });
      socket.onopen = () => {
        clearTimeout(timer);
        off();
        resolve(rpc);
      };
      socket.onerror = ({ message }) => {
        if (message !== undefined && message !== '') failure = message;
      };
      socket.onclose = ({ code, reason }) => {
        const said = reason === '' ? (code === 1006 ? failure : `it closed the connection with code ${code}`) : reason;
        rpc.#end(said, code === tooBigCode || isTooBig(failure));
      };
      void rpc.closed.then((lost) => {
        clearTimeout(timer);
        off();
        reject(signal.aborted ? aborted(signal) : lost);
      });
    });
  }

  get isOpen(): boolean {
    return this.#lost === undefined;
  }

  /** Throws RpcError, ConnectionLost or aborted. */
  request(method: string, params: readonly unknown[] = [], options: RequestOptions = {}): Promise<unknown> {
    return this.#call(method, params, options, undefined);
  }

  /**
   * Several requests in one frame, which spares both ends most of the work that small ones make; it counts as one. In the
   * place of an answer stands an RpcError where there is one. Throws BatchRefused, ConnectionLost or aborted.
   */
  requestAll(calls: readonly RpcCall[], { signal, timeoutMs = requestTimeoutMs, reader }: RequestOptions = {}) {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return this.#window.inTurn<unknown[]>(signal, (resolve, reject) => {
      const batch = new RpcBatch(this.#nextId, calls, reader);
      this.#nextId += calls.length;
      this.#batches.push(batch);
      const timer = setTimeout(() => this.#end(unanswered(calls[0]?.method ?? '', timeoutMs)), timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        const at = this.#batches.indexOf(batch);
        if (at >= 0) this.#batches.splice(at, 1);
        this.#window.pump();
      };
      batch.answers.finally(done).then(resolve, reject);
      this.#send(batch.text);
    });
  }

  /**
   * `onValue` gets every notification in order, none lost between the answer and the first one. The result ends the
   * subscription; with the socket it ends by itself.
   */
  async subscribe(
    methods: { readonly subscribe: string; readonly unsubscribe: string },
    params: readonly unknown[],
    onValue: Listener,
    options: RequestOptions = {},
  ): Promise<() => void> {
    let key: unknown;
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      if (key === undefined) return;
      this.#subscriptions.drop(key);
      if (this.isOpen) this.request(methods.unsubscribe, [key]).catch(() => undefined);
    };
    this.#subscriptions.asked();
    try {
      await this.#call(methods.subscribe, params, options, (id) => {
        key = id;
        if (ended) {
          // Given up before it was answered.
          this.request(methods.unsubscribe, [id]).catch(() => undefined);
          return;
        }
        this.#subscriptions.add(key, onValue);
      });
      return end;
    } catch (error) {
      end();
      throw error;
    } finally {
      this.#subscriptions.answered();
    }
  }

  /** Idempotent. */
  close(reason = 'closed'): void {
    this.#end(reason);
  }

  #call(
    method: string,
    params: readonly unknown[],
    { signal, timeoutMs = requestTimeoutMs, reader }: RequestOptions,
    onResult: ((result: unknown) => void) | undefined,
  ): Promise<unknown> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return this.#window.inTurn(signal, (resolve, reject) => {
      const id = this.#nextId++;
      const dueAt = this.#deadlines.of(timeoutMs);
      this.#pending.push({ id, method, resolve, reject, onResult, reader, timeoutMs, dueAt });
      this.#send(callText(id, method, params));
    });
  }

  #send(text: string): void {
    this.#nudge?.sent();
    this.#socket.send(text);
  }

  #receive(frame: string | Uint8Array): void {
    let read: unknown;
    try {
      read = readFrame(frame, this.#readerOf);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#end(error instanceof SyntaxError ? 'it sent something that is not JSON' : `it can not be read: ${reason}`);
      return;
    }
    const messages = Array.isArray(read) ? (read as readonly unknown[]) : [read];
    if (typeof frame !== 'string' && !this.#areOfOne(messages)) frameMemory.neverReuse(frame);
    for (const message of messages)
      if (isMessage(message)) this.#take(message, frame.length);
      else this.#end('it sent something that is not JSON-RPC');
    if (this.#lost === undefined) this.#nudge?.received();
  }

  /** Whether they go to one who asked: of more, one might be done with the frame before another is. */
  #areOfOne(messages: readonly unknown[]): boolean {
    if (messages.length <= 1) return true;
    const ids = messages.map((message) => (isMessage(message) ? (message.id ?? NaN) : NaN));
    const batch = this.#batchOf(ids[0] ?? NaN);
    return batch !== undefined && ids.every((id) => batch.has(id));
  }

  readonly #readerOf = (id: number): ResultReader | undefined =>
    (this.#pending[this.#placeOf(id)] ?? this.#batchOf(id))?.reader;

  #take(message: Message, chars: number): void {
    const { id, error, params } = message;
    if (id !== undefined && id !== null) this.#answer(id, message);
    else if (error !== undefined && error !== null)
      // It does not say which: all are made one by one, and what still comes of them is dropped.
      for (const batch of this.#batches)
        batch.fail(new BatchRefused(error.code ?? 0, error.message ?? 'unknown error'));
    else if (params?.subscription !== undefined) this.#subscriptions.notify(params.subscription, params.result, chars);
  }

  #answer(id: number, { result, error }: Message): void {
    const isRefused = error !== undefined && error !== null;
    const place = this.#placeOf(id);
    const pending = this.#pending[place];
    if (pending === undefined) {
      const batch = this.#batchOf(id);
      batch?.answer(id, isRefused ? asRpcError(batch.methodOf(id), error, this.url) : result);
      return;
    }
    this.#pending.splice(place, 1);
    this.#window.pump();
    if (isRefused) {
      pending.reject(asRpcError(pending.method, error, this.url));
      return;
    }
    pending.onResult?.(result);
    pending.resolve(result);
  }

  /** Among those under way; -1: it is none of them. */
  #placeOf(id: number): number {
    return this.#pending.findIndex((pending) => pending.id === id);
  }

  #batchOf(id: number): RpcBatch | undefined {
    for (const batch of this.#batches) if (batch.has(id)) return batch;
    return undefined;
  }

  #end(reason: string, isOversize = false): void {
    if (this.#lost !== undefined) return;
    const isAlone = this.#pending.length + this.#batches.length === 1;
    const lost = new ConnectionLost(this.url, reason, { isOversize, isAlone });
    this.#lost = lost;
    this.#deadlines.end();
    this.#nudge?.end();
    for (const { reject } of this.#pending.splice(0)) reject(lost);
    this.#window.end(new ConnectionLost(this.url, reason));
    for (const batch of this.#batches) batch.fail(lost);
    this.#subscriptions.clear();
    // A handshake that has not finished makes `ws` emit an error on termination: it must find a listener.
    this.#socket.onerror = () => undefined;
    this.#socket.onclose = null;
    if (this.#socket.terminate === undefined) this.#socket.close();
    else this.#socket.terminate();
    this.#resolveClosed(lost);
  }
}

function unanswered(method: string, timeoutMs: number): string {
  return `no answer to ${method} within ${timeoutMs} ms`;
}

/** In the words of `ws`; browsers say nothing. */
function isTooBig(message: string): boolean {
  return /max payload size exceeded/i.test(message);
}
