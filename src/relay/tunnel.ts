import type { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { BodyBudget } from './body-budget.ts';
import { clientTypes } from './client-frames.ts';
import type { RelayLimits } from './limits.ts';
import { addressKey } from './token-buckets.ts';
import { TunnelFar, type FarOwner, type FarParts } from './tunnel-far.ts';
import { WsInlet, type InletOwner } from './ws-inlet.ts';
import { WsOutlet, type OutletOwner } from './ws-outlet.ts';
import { turnAway } from './ws-places.ts';

export interface TunnelParts extends FarParts {
  readonly limits: RelayLimits;
  /** Of what waits to be read. */
  readonly unread: BodyBudget;
  /** As of {@link InletOwner}, for what is said to the other relay. */
  readonly charge: (key: string, units: number) => number;
  /** And for what it says. */
  readonly chargeAnswers: (key: string, units: number) => number;
  /** It passes nothing on any more. */
  readonly ended: (reason: string) => void;
  /** Both sockets are gone. */
  readonly gone: (tunnel: Tunnel) => void;
}

// Who asks proves itself to the other relay, and waits for answers; nothing that it could say in our name instead of its own.
const passed: ReadonlySet<number | undefined> = new Set([
  ...[clientTypes['challenge-me'], clientTypes.prove, clientTypes['await-reply'], clientTypes['reply-done']],
  ...[clientTypes['await-delivered'], clientTypes.forget],
]);
// A proof is the longest, with the origin that it is for.
const maxFrameBytes = 1_024;
// Waits for the other relay to read.
const maxUnsentBytes = 64 * 1_024;
const closeCodes = { normal: 1000, policy: 1008, tryAgainLater: 1013 } as const;

/** One WebSocket of who waits for answers, joined to one that is dialled for it. What passes is neither made nor read here. */
export class Tunnel implements InletOwner, OutletOwner, FarOwner {
  readonly address: string;
  readonly #socket: WebSocket;
  readonly #parts: TunnelParts;
  readonly #inlet: WsInlet;
  readonly #outlet: WsOutlet;
  readonly key: string;
  readonly #far: TunnelFar;
  #sockets = 2;
  #isEnding = false;
  #isActive = true;

  constructor(socket: WebSocket, stream: Duplex, address: string, parts: TunnelParts) {
    this.#socket = socket;
    this.address = address;
    this.#parts = parts;
    this.key = addressKey(address);
    this.#outlet = new WsOutlet(socket, stream, parts, this);
    this.#inlet = new WsInlet(this, { budget: parts.budget, key: this.key });
    this.#far = new TunnelFar(this, parts);
    socket.on('message', (data, isBinary) => {
      this.#isActive = true;
      if (isBinary && data instanceof Uint8Array) this.#inlet.message(data);
      else this.end('bad-frame', closeCodes.policy);
    });
    socket.on('pong', (data) => {
      this.#isActive = true;
      this.#inlet.control(data.length);
    });
    socket.on('ping', (data) => {
      this.#isActive = true;
      this.#inlet.control(data.length, data);
    });
    stream.on('data', (chunk: Buffer) => {
      this.#inlet.arrived(chunk.length);
    });
    socket.on('close', () => {
      this.#release();
    });
  }

  /** Dials, once. It may have ended by the time that this returns. */
  start(): void {
    this.#far.start();
  }

  /** Called once a ping interval: cuts the connection that gave no sign since the last call. */
  checkAlive(): void {
    if (this.#isEnding || this.#outlet.isSlow || this.#inlet.isHeld) return;
    if (!this.#isActive || this.#inlet.isStuck() || this.#far.isStuck()) {
      this.#cut('silent');
      return;
    }
    this.#isActive = false;
    this.#socket.ping();
  }

  end(reason: string, code: number = closeCodes.normal): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#parts.ended(reason);
    this.#far.close();
    this.#outlet.end();
    this.#socket.resume();
    this.#socket.close(code);
  }

  /** Ends it, and waits for no goodbye of the other relay. */
  stop(code: number): void {
    this.end('stopping', code);
    this.#far.terminate();
  }

  /** Its place is another's. */
  evict(): void {
    turnAway(this.#socket, closeCodes.tryAgainLater, 'its place is for who has fewer');
    this.end('evicted', closeCodes.tryAgainLater);
    this.#far.terminate();
  }

  charge(units: number): number {
    return this.#parts.charge(this.key, units);
  }

  chargeAnswers(units: number): number {
    return this.#parts.chargeAnswers(this.key, units);
  }

  take(message: Uint8Array): void {
    if (this.#isEnding) return;
    const far = this.#far;
    const isFit = passed.has(message[0]) && message.length <= maxFrameBytes;
    // Before the other relay said hello nobody has anything to say to it.
    if (!isFit || !far.isOpen) this.end('bad-frame', closeCodes.policy);
    else if (far.buffered > maxUnsentBytes) this.end('slow-reader', closeCodes.tryAgainLater);
    // A copy: a view would keep all that was read from the socket with it.
    else far.send(Buffer.from(message));
  }

  pong(data: Buffer): void {
    this.#outlet.pong(data);
  }

  inletHeld(): void {
    this.#readOn();
  }

  inletFull(): void {
    this.#cut('relay-busy');
  }

  outletSlow(): void {
    this.#readOn();
    this.#far.setSlow(this.#outlet.isSlow);
  }

  outletStuck(): void {
    this.#cut('slow-reader');
  }

  outletDrained(): void {
    // Nothing waits here: the other relay is not read from meanwhile.
  }

  farSaid(message: Uint8Array): void {
    this.#outlet.pass(message);
  }

  farIsActive(): void {
    this.#isActive = true;
  }

  farFailed(reason: string): void {
    this.end(reason, closeCodes.tryAgainLater);
  }

  farGone(): void {
    this.#socketGone();
  }

  #socketGone(): void {
    this.#sockets -= 1;
    if (this.#sockets === 0) this.#parts.gone(this);
  }

  #cut(reason: string): void {
    this.end(reason);
    this.#socket.terminate();
  }

  #release(): void {
    this.end('closed');
    this.#outlet.release();
    this.#inlet.release();
    this.#socketGone();
  }

  #readOn(): void {
    if (!this.#outlet.isSlow && !this.#inlet.isHeld) this.#socket.resume();
    else if (!this.#isEnding) this.#socket.pause();
  }
}
