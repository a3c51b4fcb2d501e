import type { Duplex } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { BodyBudget } from './body-budget.ts';
import { clientTypes, relayTypes } from './frames.ts';
import type { RelayLimits } from './limits.ts';
import type { NodeSocket } from './node-transport.ts';
import { addressKey } from './token-buckets.ts';
import type { SocketHandlers } from './transport.ts';
import { WsInlet, type InletOwner } from './ws-inlet.ts';
import { WsOutlet, type OutletOwner } from './ws-outlet.ts';

export interface TunnelParts {
  readonly limits: RelayLimits;
  readonly budget: BodyBudget;
  /** Of what waits to be read. */
  readonly unread: BodyBudget;
  /** As of {@link InletOwner}. */
  readonly charge: (key: string, units: number) => number;
  /** Opens the connection to the other relay. Throws endpoint-refused. */
  readonly dial: (handlers: SocketHandlers) => NodeSocket;
  readonly closed: (tunnel: Tunnel, reason: string) => void;
}

// Who asks proves itself to the other relay, and waits for answers; nothing that it could say in our name instead of its own.
const passed: ReadonlySet<number | undefined> = new Set([
  ...[clientTypes['challenge-me'], clientTypes.prove, clientTypes['await-reply'], clientTypes['reply-done']],
  ...[clientTypes['await-delivered'], clientTypes.forget],
]);
const passedBack: ReadonlySet<number | undefined> = new Set([
  relayTypes.receipt,
  ...[relayTypes.hello, relayTypes.challenge, relayTypes['logged-in'], relayTypes.reply, relayTypes.error],
]);
// A proof is the longest, with the origin that it is for.
const maxFrameBytes = 1_024;
// Waits for the other relay to read.
const maxUnsentBytes = 64 * 1_024;
const closeCodes = { normal: 1000, policy: 1008, tryAgainLater: 1013 } as const;

/** One WebSocket of who waits for answers, joined to one that is dialled for it. What passes is neither made nor read here. */
export class Tunnel implements InletOwner, OutletOwner {
  readonly address: string;
  readonly #socket: WebSocket;
  readonly #parts: TunnelParts;
  readonly #inlet: WsInlet;
  readonly #outlet: WsOutlet;
  readonly key: string;
  #far: NodeSocket | undefined;
  #isOpen = false;
  #isEnding = false;
  #isActive = true;

  constructor(socket: WebSocket, stream: Duplex, address: string, parts: TunnelParts) {
    this.#socket = socket;
    this.address = address;
    this.#parts = parts;
    this.key = addressKey(address);
    this.#outlet = new WsOutlet(socket, stream, parts, this);
    this.#inlet = new WsInlet(this, { budget: parts.budget, key: this.key });
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
    const handlers: SocketHandlers = {
      opened: () => {
        this.#isOpen = true;
      },
      message: (bytes) => {
        this.#isActive = true;
        if (this.#isEnding) return;
        if (passedBack.has(bytes[0])) this.#outlet.pass(bytes);
        else this.end('bad-frame', closeCodes.tryAgainLater);
      },
      closed: () => {
        this.end('far-closed', closeCodes.tryAgainLater);
      },
    };
    try {
      this.#far = this.#parts.dial(handlers);
    } catch {
      this.end('far-refused', closeCodes.tryAgainLater);
    }
  }

  /** Called once a ping interval: cuts the connection that gave no sign since the last call. */
  checkAlive(): void {
    if (this.#isEnding || this.#outlet.isSlow || this.#inlet.isHeld) return;
    if (!this.#isActive || this.#inlet.isStuck()) {
      this.#cut('silent');
      return;
    }
    this.#isActive = false;
    this.#socket.ping();
  }

  end(reason: string, code: number = closeCodes.normal): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#parts.closed(this, reason);
    this.#far?.close();
    this.#outlet.end();
    this.#socket.resume();
    this.#socket.close(code);
  }

  charge(units: number): number {
    return this.#parts.charge(this.key, units);
  }

  take(message: Uint8Array): void {
    if (this.#isEnding) return;
    const far = this.#far;
    const isFit = passed.has(message[0]) && message.length <= maxFrameBytes;
    // Before the other relay said hello nobody has anything to say to it.
    if (!isFit || far === undefined || !this.#isOpen) this.end('bad-frame', closeCodes.policy);
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
    if (this.#outlet.isSlow) this.#far?.pause();
    else this.#far?.resume();
  }

  outletStuck(): void {
    this.#cut('slow-reader');
  }

  outletDrained(): void {
    // Nothing waits here: the other relay is not read from meanwhile.
  }

  #cut(reason: string): void {
    this.end(reason);
    this.#socket.terminate();
  }

  #release(): void {
    this.end('closed');
    this.#outlet.release();
    this.#inlet.release();
  }

  #readOn(): void {
    if (!this.#outlet.isSlow && !this.#inlet.isHeld) this.#socket.resume();
    else if (!this.#isEnding) this.#socket.pause();
  }
}
