import type { Duplex } from 'node:stream';
import type { Logger } from 'pino';
import type { WebSocket } from '@fastify/websocket';
import type { Hex } from '../codec/index.ts';
import { asRelayError, isRelayError, RelayError } from '../errors/index.ts';
import type { Mail, MailStore } from '../store/mail-store.ts';
import type { BodyBudget } from './body-budget.ts';
import type { LoginCheck } from './challenge.ts';
import type { DeliveryWatch } from './delivery-watch.ts';
import type { FailureLog } from './failure-log.ts';
import { decodeClientFrame, type ClientFrame, type FrameVersion, type RelayFrame } from './frames.ts';
import { publicError } from './http-status.ts';
import type { RelayLimits } from './limits.ts';
import type { Metrics } from './metrics.ts';
import type { Pipeline } from './pipeline.ts';
import { addressKey } from './token-buckets.ts';
import type { WaitPlaces } from './wait-places.ts';
import { toWire } from './wire-error.ts';
import { WsInlet, type InletOwner } from './ws-inlet.ts';
import { WsOutlet, type OutletOwner } from './ws-outlet.ts';
import { WsMailbox, type MailboxOwner } from './ws-mailbox.ts';
import { WsProof, type ProofFrame } from './ws-proof.ts';
import { WsReceipts, type ReceiptsOwner } from './ws-receipts.ts';
import { WsReplies, type RepliesOwner } from './ws-replies.ts';

export interface SessionParts {
  readonly genesisHash: Hex;
  readonly identity: Hex | undefined;
  readonly pipeline: Pipeline;
  readonly mailStore: MailStore;
  readonly login: LoginCheck;
  readonly deliveries: DeliveryWatch;
  readonly limits: RelayLimits;
  /** Of what has come of messages that are not whole. */
  readonly budget: BodyBudget;
  /** Of what waits to be read. */
  readonly unread: BodyBudget;
  /** Of replies that are waited for, one each. */
  readonly awaited: WaitPlaces;
  readonly metrics: Metrics;
  readonly logger: Logger;
  readonly failures: FailureLog;
  readonly random: (length: number) => Uint8Array;
  /** The session now reads a mailbox. */
  readonly loggedIn: (session: WsSession) => void;
  readonly closed: (session: WsSession) => void;
}

const closeCodes = { normal: 1000, goingAway: 1001, policy: 1008 } as const;

/** One WebSocket: requests in, answers and deliveries out, both bounded. */
export class WsSession implements OutletOwner, InletOwner, RepliesOwner, ReceiptsOwner, MailboxOwner {
  readonly address: string;
  /** All that comes is paid for as it comes. */
  readonly isPaid = true;
  readonly key: string;
  readonly #socket: WebSocket;
  readonly #parts: SessionParts;
  readonly #outlet: WsOutlet;
  readonly #inlet: WsInlet;
  readonly #proof: WsProof;
  readonly #mailbox: WsMailbox;
  readonly #replies: WsReplies;
  #receipts: WsReceipts | undefined;
  #unanswered = 0;
  #isHeld = false;
  #ending = false;
  #active = true;
  #usedAt: number;

  /** `stream`: what the WebSocket reads from and writes to. `version`: of frames that the peer knows. */
  constructor(socket: WebSocket, stream: Duplex, address: string, version: FrameVersion, parts: SessionParts) {
    this.#socket = socket;
    this.address = address;
    this.key = addressKey(address);
    this.#parts = parts;
    this.#usedAt = parts.login.clock();
    this.#proof = new WsProof(address, parts);
    this.#mailbox = new WsMailbox(parts, this.#proof, this);
    this.#replies = new WsReplies(parts, this.#proof, this);
    this.#outlet = new WsOutlet(socket, stream, parts, this);
    this.#inlet = new WsInlet(this, { budget: parts.budget, key: this.key });
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
    this.#send({ type: 'hello', version, genesisHash, window, maxMessageBytes, identity });
  }

  get isEnding(): boolean {
    return this.#ending;
  }

  /** Called once a ping interval: cuts the connection that gave no sign since the last call, closes the unused. */
  checkAlive(): void {
    const { metrics, limits, login } = this.#parts;
    if (this.#outlet.isSlow || this.#isHeld || this.#inlet.isHeld || this.#ending) return;
    const isStuck = this.#inlet.isStuck();
    if (this.#unanswered > 0 && !isStuck) return;
    if (!this.#active || isStuck) {
      metrics.count('connections_closed_total', 'silent');
      this.#socket.terminate();
      return;
    }
    const isUsed = this.#mailbox.isOpen || this.#replies.isWaiting || this.#receipts?.isWaiting === true;
    if (!isUsed && login.clock() - this.#usedAt > limits.idleMs) {
      metrics.count('connections_closed_total', 'idle');
      this.#end(closeCodes.normal);
      return;
    }
    this.#active = false;
    this.#socket.ping();
  }

  /** Tells why, and closes. */
  fail(error: unknown): void {
    if (this.#ending) return;
    const told = this.#tellable(error, 'a connection failed');
    this.#parts.metrics.count('connections_closed_total', told.code);
    this.#parts.logger.debug(
      { code: told.code, address: this.address, identity: this.#proof.identity },
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
      this.#handle(decode(message));
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
    this.#mailbox.wake();
  }

  mailboxOpened(): void {
    this.#parts.loggedIn(this);
  }

  mailboxSend(frame: RelayFrame): void {
    this.#send(frame);
  }

  mailboxDeliver(page: readonly Mail[]): void {
    this.#outlet.deliver(page);
  }

  mailboxHasRoom(): boolean {
    return this.#outlet.hasRoom;
  }

  mailboxFailed(error: unknown): void {
    this.fail(error);
  }

  replySend(frame: RelayFrame): void {
    this.#send(frame);
  }

  replyRefuse(id: number, error: unknown): void {
    this.#refuse(id, error);
  }

  /** The peer asks faster than is done for it: nothing more is read from it meanwhile. */
  replyHold(isHeld: boolean): void {
    this.#isHeld = isHeld;
    this.#readOn();
  }

  replyFailed(error: unknown): void {
    this.fail(error);
  }

  receiptSend(frame: RelayFrame): void {
    this.#send(frame);
  }

  receiptRefuse(id: number, error: unknown): void {
    this.#refuse(id, error);
  }

  #end(code: number): void {
    this.#ending = true;
    this.#outlet.end();
    this.#stopWork();
    this.#socket.resume();
    this.#socket.close(code);
  }

  #release(): void {
    this.#ending = true;
    this.#outlet.release();
    this.#inlet.release();
    this.#stopWork();
    this.#mailbox.release();
    this.#parts.closed(this);
  }

  #stopWork(): void {
    this.#mailbox.stop();
    this.#replies.stop();
    this.#receipts?.stop();
  }

  #handle(frame: ClientFrame): void {
    switch (frame.type) {
      case 'send':
        this.#answer(frame.id, () => this.#submit(frame.id, frame.signedEnvelope));
        return;
      case 'challenge-me':
        this.#answer(frame.id, () => Promise.resolve(this.#proof.challenge(frame.id)));
        return;
      case 'login':
        this.#answer(frame.id, () => this.#mailbox.login(frame));
        return;
      case 'prove':
        this.#answer(frame.id, () => this.#prove(frame));
        return;
      case 'post-reply':
        this.#answer(frame.id, () => this.#replies.post(frame));
        return;
      case 'await-reply':
        if (frame.id === 0) throw badFrame('0 is not a request id');
        this.#replies.await(frame);
        return;
      case 'reply-done':
        this.#replies.done(frame);
        return;
      case 'await-delivered':
        if (frame.id === 0) throw badFrame('0 is not a request id');
        this.#receipts ??= new WsReceipts(this.#parts, this);
        this.#receipts.await(frame);
        return;
      case 'forget':
        this.#receipts?.forget(frame.id);
        return;
      case 'credit':
        this.#mailbox.credit(frame.deliveries);
        return;
      case 'ack':
        this.#mailbox.ack(frame.upTo);
    }
  }

  #answer(id: number, work: () => Promise<RelayFrame>): void {
    const { window } = this.#parts.limits;
    if (id === 0) throw badFrame('0 is not a request id');
    if (this.#unanswered >= window) throw new RelayError('window-exceeded', { details: { window } });
    this.#unanswered += 1;
    this.#usedAt = this.#parts.login.clock();
    work().then(
      (frame) => {
        this.#unanswered -= 1;
        this.#send(frame);
      },
      (error: unknown) => {
        this.#unanswered -= 1;
        this.#refuse(id, error);
      },
    );
  }

  #refuse(id: number, error: unknown): void {
    this.#sendError(id, this.#tellable(error, 'a message failed'));
  }

  /** As the peer may see it; a failure of ours is logged as it is. */
  #tellable(error: unknown, what: string): RelayError {
    const failure = asRelayError(error, 'relay-failed');
    const told = publicError(failure);
    if (told !== failure) this.#parts.failures.add(failure, what, { address: this.address });
    return told;
  }

  async #submit(id: number, signedEnvelope: Uint8Array): Promise<RelayFrame> {
    // A copy: a view would keep all that was read from the socket with it for as long as it waits.
    const { messageId, status } = await this.#parts.pipeline.submit(Buffer.from(signedEnvelope), this);
    return { type: 'receipt', id, status, messageId };
  }

  async #prove(frame: ProofFrame): Promise<RelayFrame> {
    const answer = await this.#proof.prove(frame);
    if (this.#ending) throw new RelayError('relay-stopping');
    return answer;
  }

  #sendError(id: number, error: RelayError): void {
    const { details, ...wire } = toWire(error);
    this.#send({ type: 'error', id, ...wire, details: JSON.stringify(details) });
  }

  #send(frame: RelayFrame): void {
    this.#outlet.send(frame);
  }

  #readOn(): void {
    if (!this.#outlet.isSlow && !this.#isHeld && !this.#inlet.isHeld) this.#socket.resume();
    else if (!this.#ending) this.#socket.pause();
  }
}

function decode(data: Uint8Array): ClientFrame {
  try {
    return decodeClientFrame(data);
  } catch (error) {
    throw isRelayError(error) ? badFrame(error.message) : error;
  }
}

function badFrame(reason: string): RelayError {
  return new RelayError('bad-frame', { details: { reason } });
}
