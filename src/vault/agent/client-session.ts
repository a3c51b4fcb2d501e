import type { Socket } from 'node:net';
import { asRelayError, RelayError } from '../../errors/index.ts';
import type { Vault } from '../vault.ts';
import { frame, FrameReader } from './frames.ts';
import { decodeHello, encodeFacts, encodeHello, protocolVersion, type AgentFacts } from './hello.ts';
import type { Policy } from './policy.ts';
import { encodeFailure, operations, perform } from './protocol.ts';

/** Requests of one client that are under way: more are left in the socket. */
const maxUnderWay = 256;
/** Bytes of these. */
const maxBytesUnderWay = 1 << 24;
/** Bytes of answers that a client may leave unread before its requests are left in the socket. */
const maxUnread = 1 << 20;
/** Until a client must have said hello, ended a frame that it began, or read its answers, ms. */
const patienceMs = 10_000;
const headLength = 5;

export interface SessionParts {
  readonly vault: Vault;
  readonly facts: AgentFacts;
  readonly policy: Policy;
  readonly onRequest: () => void;
}

/** One client. What it does wrong, or slowly, ends with its own connection. */
export class ClientSession {
  readonly #socket: Socket;
  readonly #parts: SessionParts;
  readonly #frames = new FrameReader();
  #waiting: Uint8Array[] = [];
  #underWay = 0;
  #bytesUnderWay = 0;
  #answers: Uint8Array[] = [];
  #isFlushing = false;
  #saidHello = false;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Socket, parts: SessionParts) {
    this.#socket = socket;
    this.#parts = parts;
    this.#watch(true);
    socket.on('data', (chunk: Buffer) => {
      this.#guard(() => {
        for (const each of this.#frames.read(chunk)) this.#take(each);
        this.#pauseIfFull();
      });
    });
    socket.on('drain', () => {
      this.#goOn();
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(this.#deadline);
      this.#waiting = [];
      this.#answers = [];
    });
  }

  #take(request: Uint8Array): void {
    if (!this.#saidHello) {
      const { version } = decodeHello(request);
      this.#saidHello = true;
      // Said to a client of another version too: it tells its user which.
      this.#socket.write(frame(encodeHello(encodeFacts(this.#parts.facts))));
      if (version !== protocolVersion) this.#socket.end();
    } else if (!this.#isFull) this.#begin(request);
    // A copy: the chunk belongs to the socket.
    else this.#waiting.push(Uint8Array.from(request));
  }

  #begin(request: Uint8Array): void {
    if (request.length < headLength) throw new RelayError('agent-protocol', { details: { reason: 'a short request' } });
    const id = request.slice(0, 4);
    const operation = operations[request[4] ?? operations.length];
    const { vault, policy, onRequest } = this.#parts;
    this.#underWay += 1;
    this.#bytesUnderWay += request.length;
    onRequest();
    const run = async (): Promise<Uint8Array> => {
      if (operation === undefined)
        throw new RelayError('agent-protocol', { details: { reason: `operation ${request[4]}` } });
      const content = request.subarray(headLength);
      policy.check(operation, content);
      return perform(vault, operation, content);
    };
    run()
      .then((answer) => frame(id, Uint8Array.of(0), answer))
      // An answer may be too large where its request was not.
      .catch((error: unknown) => frame(id, Uint8Array.of(1), encodeFailure(asRelayError(error, 'agent-protocol'))))
      .then((bytes) => {
        this.#bytesUnderWay -= request.length;
        this.#answer(bytes);
      })
      .catch(() => this.#socket.destroy());
  }

  get #isFull(): boolean {
    return this.#underWay >= maxUnderWay || this.#bytesUnderWay > maxBytesUnderWay;
  }

  #answer(bytes: Uint8Array): void {
    this.#underWay -= 1;
    if (this.#socket.destroyed) return;
    this.#answers.push(bytes);
    if (!this.#isFlushing) {
      this.#isFlushing = true;
      // One write for all answers of a turn.
      setImmediate(() => {
        this.#isFlushing = false;
        if (this.#socket.writable && this.#answers.length > 0) this.#socket.write(Buffer.concat(this.#answers));
        this.#answers = [];
        this.#goOn();
      });
    }
  }

  #pauseIfFull(): void {
    const { length } = this.#waiting;
    const isFull = length > 0 || this.#socket.writableLength > maxUnread;
    if (isFull) this.#socket.pause();
    this.#watch(!this.#saidHello || this.#frames.isWithin || this.#socket.writableLength > maxUnread);
  }

  #goOn(): void {
    this.#guard(() => {
      while (!this.#isFull && this.#socket.writableLength <= maxUnread) {
        const next = this.#waiting.shift();
        if (next === undefined) break;
        this.#begin(next);
      }
      if (this.#waiting.length === 0 && this.#socket.writableLength <= maxUnread) this.#socket.resume();
      this.#pauseIfFull();
    });
  }

  /** A client that must do something soon, or is left. */
  #watch(isDue: boolean): void {
    if (!isDue) {
      clearTimeout(this.#deadline);
      this.#deadline = undefined;
      return;
    }
    this.#deadline ??= setTimeout(() => this.#socket.destroy(), patienceMs).unref();
  }

  #guard(work: () => void): void {
    try {
      work();
    } catch {
      this.#socket.destroy();
    }
  }
}
