import { aborted, onAbort, throwIfAborted } from '../abort.ts';
import { BatchRefused, ConnectionLost, RpcError } from './rpc-error.ts';
import { resultText } from './result-text.ts';
import { callText, RpcBatch, type RpcCall } from './rpc-batch.ts';
import { skimJson, withStrings } from './skim-json.ts';
import { createWebSocket, type PlainSocket } from './web-socket.ts';

/** How long one request may take before its socket counts as dead. */
const requestTimeoutMs = 30_000;
/** Frames on the way at once; more wait for their turn, so that a node is not flooded whatever its callers do. */
const maxInFlight = 32;
/** WebSocket close code: a message was too big for its receiver (RFC 6455, section 7.4.1). */
const tooBigCode = 1009;
/** Notifications kept for subscriptions whose id has not been answered yet. */
const maxEarlyNotifications = 256;

export interface RequestOptions {
  readonly signal?: AbortSignal | undefined;
  /** ms. Past it the socket is closed: a silent node is a dead one. Default 30 000. */
  readonly timeoutMs?: number;
  /** Long strings of the answer may come as `RawText`, as far as the platform allows. Default false. */
  readonly isRaw?: boolean;
  /**
   * Makes the answer of the text of the result (UTF-8), where frames come as bytes: what is long is not made into strings
   * first. undefined where the text is not as it expects; then the answer is what JSON gives. Where it throws, the socket ends.
   */
  readonly fromText?: ((result: Uint8Array) => unknown) | undefined;
}

type Listener = (value: unknown) => void;

interface Pending {
  readonly method: string;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly timeoutMs: number;
  /** When the socket counts as dead without an answer, ms of the process. */
  readonly dueAt: number;
  readonly isRaw: boolean;
  readonly fromText: RequestOptions['fromText'];
  /** Set for subscriptions: called before any notification of theirs. */
  readonly onResult: ((result: unknown) => void) | undefined;
}

/** A frame that waits for its turn. */
interface Queued {
  readonly signal: AbortSignal | undefined;
  readonly send: () => void;
  readonly reject: (error: Error) => void;
}

interface Message {
  readonly id?: number | null;
  readonly result?: unknown;
  readonly error?: { readonly code?: number; readonly message?: string; readonly data?: unknown } | null;
  readonly method?: string;
  readonly params?: { readonly subscription?: string | number; readonly result?: unknown } | null;
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
  readonly #pending = new Map<number, Pending>();
  /** Under way, oldest first. */
  readonly #batches: RpcBatch[] = [];
  /** By the id of their subscription. */
  readonly #listeners = new Map<unknown, Listener>();
  #queue: Queued[] = [];
  #early: { readonly key: unknown; readonly value: unknown }[] = [];
  /** Looks for requests that are overdue. One for all: most are answered long before. */
  #watchdog: ReturnType<typeof setTimeout> | undefined;
  #watchdogAt = Infinity;
  #nextId = 1;
  /** Requests under way whose answers may be raw. */
  #rawUnderWay = 0;
  #lost: ConnectionLost | undefined;
  #resolveClosed: (lost: ConnectionLost) => void = () => undefined;

  private constructor(url: string, socket: PlainSocket) {
    this.url = url;
    this.#socket = socket;
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
  requestAll(calls: readonly RpcCall[], { signal, timeoutMs = requestTimeoutMs, isRaw = false }: RequestOptions = {}) {
    return this.#inTurn<unknown[]>(signal, (resolve, reject) => {
      const batch = new RpcBatch(this.#nextId, calls, isRaw);
      this.#nextId += calls.length;
      this.#batches.push(batch);
      if (isRaw) this.#rawUnderWay += 1;
      const timer = this.#deadline(calls[0]?.[0] ?? '', timeoutMs);
      const done = (): void => {
        clearTimeout(timer);
        const at = this.#batches.indexOf(batch);
        if (at >= 0) this.#batches.splice(at, 1);
        if (isRaw) this.#rawUnderWay -= 1;
        this.#pump();
      };
      batch.answers.finally(done).then(resolve, reject);
      this.#socket.send(batch.text);
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
      this.#listeners.delete(key);
      if (this.isOpen) this.request(methods.unsubscribe, [key]).catch(() => undefined);
    };
    try {
      await this.#call(methods.subscribe, params, options, (id) => {
        key = id;
        if (ended) {
          // Given up before it was answered.
          this.request(methods.unsubscribe, [id]).catch(() => undefined);
          return;
        }
        this.#listeners.set(key, onValue);
        const early = this.#early.filter((notification) => notification.key === key);
        this.#early = this.#early.filter((notification) => notification.key !== key);
        for (const { value } of early) onValue(value);
      });
      return end;
    } catch (error) {
      end();
      throw error;
    }
  }

  /** Idempotent. */
  close(reason = 'closed'): void {
    this.#end(reason);
  }

  #call(
    method: string,
    params: readonly unknown[],
    { signal, timeoutMs = requestTimeoutMs, isRaw = false, fromText }: RequestOptions,
    onResult: ((result: unknown) => void) | undefined,
  ): Promise<unknown> {
    return this.#inTurn(signal, (resolve, reject) => {
      const id = this.#nextId++;
      if (isRaw) this.#rawUnderWay += 1;
      const dueAt = this.#due(timeoutMs);
      this.#pending.set(id, { method, resolve, reject, onResult, isRaw, fromText, timeoutMs, dueAt });
      this.#socket.send(callText(id, method, params));
    });
  }

  /** Calls `send` when the window has room. */
  #inTurn<T>(
    signal: AbortSignal | undefined,
    send: (resolve: (answer: T) => void, reject: (error: Error) => void) => void,
  ): Promise<T> {
    if (this.#lost !== undefined) return Promise.reject(this.#lost);
    return new Promise<T>((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(aborted(signal));
        return;
      }
      const off = signal && onAbort(signal, () => reject(aborted(signal)));
      const answered = (answer: T): void => {
        off?.();
        resolve(answer);
      };
      const failed = (error: Error): void => {
        off?.();
        reject(error);
      };
      this.#queue.push({ signal, reject: failed, send: () => send(answered, failed) });
      this.#pump();
    });
  }

  /** Sends what waits as far as the window allows. */
  #pump(): void {
    while (this.#pending.size + this.#batches.length < maxInFlight) {
      const next = this.#queue.shift();
      if (next === undefined) return;
      if (next.signal?.aborted === true) next.reject(aborted(next.signal));
      else next.send();
    }
  }

  #deadline(method: string, timeoutMs: number): ReturnType<typeof setTimeout> {
    return setTimeout(() => {
      this.#end(`no answer to ${method} within ${timeoutMs} ms`);
    }, timeoutMs);
  }

  /** When a request that is sent now is overdue. */
  #due(timeoutMs: number): number {
    const dueAt = performance.now() + timeoutMs;
    if (dueAt < this.#watchdogAt) this.#watch(dueAt);
    return dueAt;
  }

  #watch(at: number): void {
    clearTimeout(this.#watchdog);
    this.#watchdogAt = at;
    this.#watchdog = setTimeout(() => this.#endIfOverdue(), Math.max(0, at - performance.now()));
  }

  #endIfOverdue(): void {
    this.#watchdogAt = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const { method, timeoutMs, dueAt } of this.#pending.values()) {
      // A timer may fire a little early.
      if (dueAt <= now + 1) {
        this.#end(`no answer to ${method} within ${timeoutMs} ms`);
        return;
      }
      next = Math.min(next, dueAt);
    }
    if (next < Infinity) this.#watch(next);
  }

  #receive(frame: string | Uint8Array): void {
    if (typeof frame !== 'string' && this.#answerFromText(frame)) return;
    const skimmed = this.#rawUnderWay > 0 && typeof frame !== 'string' ? skimJson(frame) : undefined;
    let parsed: unknown;
    try {
      parsed = skimmed ?? JSON.parse(typeof frame === 'string' ? frame : textOfFrame(frame));
    } catch {
      this.#end('it sent something that is not JSON');
      return;
    }
    for (const message of Array.isArray(parsed) ? (parsed as readonly unknown[]) : [parsed]) {
      if (isMessage(message)) this.#take(message, skimmed !== undefined);
      else this.#end('it sent something that is not JSON-RPC');
    }
  }

  /** Whether it is an answer to a request that reads the text of its result, and did. */
  #answerFromText(frame: Uint8Array): boolean {
    const found = resultText(frame);
    const fromText = found && this.#pending.get(found.id)?.fromText;
    if (found === undefined || fromText === undefined) return false;
    let result: unknown;
    try {
      result = fromText(found.result);
    } catch (error) {
      this.#end(`its answer cannot be read: ${error instanceof Error ? error.message : String(error)}`);
      return true;
    }
    if (result !== undefined) this.#answer(found.id, { result }, false);
    return result !== undefined;
  }

  /** `isSkimmed`: there may be raw texts in it. */
  #take(told: Message, isSkimmed: boolean): void {
    if (told.id !== undefined && told.id !== null) {
      this.#answer(told.id, told, isSkimmed);
      return;
    }
    const message = isSkimmed ? (withStrings(told) as Message) : told;
    if (message.error !== undefined && message.error !== null)
      // It does not say which: all are made one by one, and what still comes of them is dropped.
      for (const batch of this.#batches)
        batch.fail(new BatchRefused(message.error.code ?? 0, message.error.message ?? 'unknown error'));
    else if (message.params?.subscription !== undefined)
      this.#notify(message.params.subscription, message.params.result);
  }

  #answer(id: number, told: Message, isSkimmed: boolean): void {
    const batch = this.#batchOf(id);
    const isRaw = batch?.isRaw ?? this.#pending.get(id)?.isRaw ?? false;
    const { result, error } = isSkimmed && (!isRaw || told.error !== undefined) ? (withStrings(told) as Message) : told;
    if (batch !== undefined) {
      batch.answer(
        id,
        error === undefined || error === null ? result : asRpcError(batch.methodOf(id), error, this.url),
      );
      return;
    }
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    if (pending.isRaw) this.#rawUnderWay -= 1;
    this.#pump();
    if (error !== undefined && error !== null) {
      pending.reject(asRpcError(pending.method, error, this.url));
      return;
    }
    pending.onResult?.(result);
    pending.resolve(result);
  }

  #batchOf(id: number): RpcBatch | undefined {
    for (const batch of this.#batches) if (batch.has(id)) return batch;
    return undefined;
  }

  #notify(key: unknown, value: unknown): void {
    const listener = this.#listeners.get(key);
    if (listener !== undefined) listener(value);
    else if (this.#early.push({ key, value }) > maxEarlyNotifications) this.#early.shift();
  }

  #end(reason: string, isOversize = false): void {
    if (this.#lost !== undefined) return;
    const lost = new ConnectionLost(this.url, reason, isOversize);
    this.#lost = lost;
    clearTimeout(this.#watchdog);
    for (const { reject } of this.#pending.values()) reject(lost);
    for (const { reject } of this.#queue) reject(new ConnectionLost(this.url, reason));
    this.#pending.clear();
    this.#queue = [];
    for (const batch of this.#batches) batch.fail(lost);
    this.#listeners.clear();
    this.#early = [];
    // A handshake that has not finished makes `ws` emit an error on termination: it must find a listener.
    this.#socket.onerror = () => undefined;
    this.#socket.onclose = null;
    if (this.#socket.terminate === undefined) this.#socket.close();
    else this.#socket.terminate();
    this.#resolveClosed(lost);
  }
}

function textOfFrame({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString();
}

function isMessage(value: unknown): value is Message {
  if (typeof value !== 'object' || value === null) return false;
  const { params, error } = value as { readonly params?: unknown; readonly error?: unknown };
  return isPart(params) && isPart(error);
}

function isPart(value: unknown): boolean {
  return value === undefined || typeof value === 'object';
}

/** In the words of `ws`; browsers say nothing. */
function isTooBig(message: string): boolean {
  return /max payload size exceeded/i.test(message);
}

function asRpcError(
  method: string,
  { code, message, data: raw }: NonNullable<Message['error']>,
  url: string,
): RpcError {
  const data = raw === undefined || raw === null ? undefined : typeof raw === 'string' ? raw : JSON.stringify(raw);
  return new RpcError(method, code ?? 0, message ?? 'unknown error', data, url);
}
