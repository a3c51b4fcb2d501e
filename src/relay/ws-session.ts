import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { WebSocket } from '@fastify/websocket';
import type { Hex } from '../codec/index.ts';
import { asRelayError, type RelayError } from '../errors/index.ts';
import type { Mail } from '../store/mail-store.ts';
import type { BodyBudget } from './body-budget.ts';
import type { FailureLog } from './failure-log.ts';
import type { FrameVersion } from './frames.ts';
import { publicError } from './http-status.ts';
import type { Pipeline } from './pipeline.ts';
import type { RelayFrame } from './relay-frames.ts';
import { addressKey } from './token-buckets.ts';
import { toWire } from './wire-error.ts';
import { WsInlet, type InletOwner } from './ws-inlet.ts';
import { WsOutlet, type OutletOwner } from './ws-outlet.ts';
import { badFrame, WsRequests, type RequestsOwner, type WsRequestsParts } from './ws-requests.ts';

export interface SessionParts extends WsRequestsParts {
  readonly pipeline: Pick<Pipeline, 'submit' | 'submitReply' | 'charge'>;
  readonly genesisHash: Hex;
  readonly identity: Hex | undefined;
  /** Of what has come of messages that are not whole. */
  readonly budget: BodyBudget;
  /** Of what waits to be read. */
  readonly unread: BodyBudget;
  readonly logger: Logger;
  readonly failures: FailureLog;
  /** The session now reads a mailbox. */
  readonly loggedIn: (session: WsSession) => void;
  readonly closed: (session: WsSession) => void;
}

const closeCodes = { normal: 1000, goingAway: 1001, policy: 1008 } as const;

/** One WebSocket, and what it is kept for: requests in, answers and deliveries out, both bounded. */
export class WsSession implements OutletOwner, InletOwner, RequestsOwner {
  readonly address: string;
  readonly key: string;
  readonly #socket: WebSocket;
  readonly #parts: SessionParts;
  readonly #outlet: WsOutlet;
  readonly #inlet: WsInlet;
  readonly #requests: WsRequests;
  #isHeld = false;
  #ending = false;
  #active = true;

  /** `stream`: what the WebSocket reads from and writes to. `version`: of frames that the peer knows. */
  constructor(socket: WebSocket, stream: Duplex, address: string, version: FrameVersion, parts: SessionParts) {
    this.#socket = socket;
    this.address = address;
    this.key = addressKey(address);
    this.#parts = parts;
    this.#outlet = new WsOutlet(socket, stream, parts, this);
    this.#inlet = new WsInlet(this, { budget: parts.budget, key: this.key });
    this.#requests = new WsRequests(parts, this);
    socket.on('message', (data, isBinary) => {
      this.#active = true;
      if (this.#ending) return;
      if (isBinary && data instanceof Uint8Array) this.#inlet.message(data);
      else this.fail(badFrame('it is text'));
    });
    socket.on('pong', (data) => {
      this.#active = true;
      this.#inlet.control(data.length);
    });
    socket.on('ping', (data) => {
      this.#active = true;
      this.#inlet.control(data.length, data);
    });
    // After the WebSocket, which listened first, has made what it can of it.
    stream.on('data', (chunk: Buffer) => {
      this.#inlet.arrived(chunk.length);
    });
    socket.on('close', () => {
      this.#release();
    });
    const { genesisHash, identity, limits } = parts;
    const { window, maxMessageBytes } = limits;
    this.send({ type: 'hello', version, genesisHash, window, maxMessageBytes, identity });
  }

  get isEnding(): boolean {
    return this.#ending;
  }

  get hasRoom(): boolean {
    return this.#outlet.hasRoom;
  }

  /** Called once a ping interval: cuts the connection that gave no sign since the last call, closes the unused. */
  checkAlive(): void {
    const { metrics } = this.#parts;
    if (this.#outlet.isSlow || this.#isHeld || this.#inlet.isHeld || this.#ending) return;
    const isStuck = this.#inlet.isStuck();
    if (this.#requests.isAnswering && !isStuck) return;
    if (!this.#active || isStuck) {
      metrics.count('connections_closed_total', 'silent');
      this.#socket.terminate();
      return;
    }
    if (this.#requests.isIdle) {
      metrics.count('connections_closed_total', 'idle');
      this.#end(closeCodes.normal);
      return;
    }
    this.#active = false;
    this.#socket.ping();
  }

  send(frame: RelayFrame): void {
    this.#outlet.send(frame);
  }

  deliver(page: readonly Mail[]): void {
    this.#outlet.deliver(page);
  }

  refuse(id: number, error: unknown): void {
    this.#sendError(id, this.#tellable(error, 'a message failed'));
  }

  fail(error: unknown): void {
    if (this.#ending) return;
    const told = this.#tellable(error, 'a connection failed');
    this.#parts.metrics.count('connections_closed_total', told.code);
    this.#parts.logger.debug(
      { code: told.code, address: this.address, identity: this.#requests.identity },
      'connection ended',
    );
    this.#sendError(0, told);
    this.#end(closeCodes.policy);
  }

  /** What was sent before is flushed; resolves when the connection is gone. */
  async close(waitMs: number): Promise<void> {
    if (this.#socket.readyState === this.#socket.CLOSED) return;
    const timer = setTimeout(() => {
      this.#socket.terminate();
    }, waitMs);
    const closed = new Promise((resolve) => this.#socket.once('close', resolve));
    this.#end(closeCodes.goingAway);
    await closed;
    clearTimeout(timer);
  }

  outletSlow(): void {
    this.#readOn();
  }

  outletStuck(buffered: number): void {
    this.#parts.metrics.count('connections_closed_total', 'slow-reader');
    this.#parts.logger.info({ address: this.address, buffered }, 'slow reader cut');
    this.#socket.terminate();
  }

  charge(units: number): number {
    return this.#parts.pipeline.charge(this.key, units);
  }

  take(message: Uint8Array): void {
    if (this.#ending) return;
    try {
      this.#requests.take(message);
    } catch (error) {
      this.fail(error);
    }
  }

  pong(data: Buffer): void {
    this.#outlet.pong(data);
  }

  inletHeld(): void {
    this.#readOn();
  }

  inletFull(): void {
    this.#parts.metrics.count('connections_closed_total', 'relay-busy');
    // What is there of the message goes with the connection.
    this.#socket.terminate();
  }

  outletDrained(): void {
    this.#requests.wake();
  }

  mailboxOpened(): void {
    this.#parts.loggedIn(this);
  }

  hold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#readOn();
  }

  #end(code: number): void {
    this.#ending = true;
    this.#outlet.end();
    this.#requests.stop();
    this.#socket.resume();
    this.#socket.close(code);
  }

  #release(): void {
    this.#ending = true;
    this.#outlet.release();
    this.#inlet.release();
    this.#requests.release();
    this.#parts.closed(this);
  }

  /** As the peer may see it; a failure of ours is logged as it is. */
  #tellable(error: unknown, what: string): RelayError {
    const failure = asRelayError(error, 'relay-failed');
    const told = publicError(failure);
    if (told !== failure) this.#parts.failures.add(failure, what, { address: this.address });
    return told;
  }

  #sendError(id: number, error: RelayError): void {
    const { details, ...wire } = toWire(error);
    this.send({ type: 'error', id, ...wire, details: JSON.stringify(details) });
  }

  #readOn(): void {
    if (!this.#outlet.isSlow && !this.#isHeld && !this.#inlet.isHeld) this.#socket.resume();
    else if (!this.#ending) this.#socket.pause();
  }
}
