import type { Writable } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import { encodeRelayFrame, type RelayFrame } from './frames.ts';
import type { RelayLimits } from './limits.ts';

/** Whose the WebSocket is. An interface and no callbacks: there are thousands of connections. */
export interface OutletOwner {
  /** The peer has become slower than it asks, or not any more: see {@link WsOutlet.isSlow}. */
  outletSlow(): void;
  /** It did so for too long, with so many bytes that wait. */
  outletStuck(buffered: number): void;
  /** There is room. */
  outletDrained(): void;
}

type OutletLimits = Pick<RelayLimits, 'maxBufferedBytes' | 'slowReaderMs'>;

/** Header of a control frame from a server. */
const pongOverhead = 2;

/** What goes out over one WebSocket, with what waits for the peer to read it counted. */
export class WsOutlet {
  readonly #socket: WebSocket;
  readonly #stream: Writable;
  readonly #limits: OutletLimits;
  readonly #owner: OutletOwner;
  #isGathering = false;
  #buffered = 0;
  #slow: ReturnType<typeof setTimeout> | undefined;
  #isEnding = false;

  /** `stream`: what the WebSocket writes to. */
  constructor(socket: WebSocket, stream: Writable, limits: OutletLimits, owner: OutletOwner) {
    this.#socket = socket;
    this.#stream = stream;
    this.#limits = limits;
    this.#owner = owner;
  }

  get hasRoom(): boolean {
    return this.#buffered <= this.#limits.maxBufferedBytes;
  }

  get isSlow(): boolean {
    return this.#slow !== undefined;
  }

  send(frame: RelayFrame): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const bytes = encodeRelayFrame(frame);
    this.#socket.send(bytes, this.#count(bytes.length));
  }

  /** Pings that nobody asked for are answered as messages are: within bounds. */
  pong(data: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.pong(data, false, this.#count(data.length + pongOverhead));
  }

  /** Nothing comes after what was sent, which a slow reader has its time for. */
  end(): void {
    this.#isEnding = true;
  }

  /** The connection is gone. */
  release(): void {
    this.#isEnding = true;
    clearTimeout(this.#slow);
  }

  /** Counts what is about to be sent until the function that it gives is called. */
  #count(length: number): () => void {
    this.#gather();
    this.#buffered += length;
    if (!this.hasRoom) this.#slowDown();
    return () => {
      this.#flushed(length);
    };
  }

  /** What is sent before the event loop turns goes to the system at once. */
  #gather(): void {
    if (this.#isGathering) return;
    this.#isGathering = true;
    this.#stream.cork();
    process.nextTick(() => {
      this.#isGathering = false;
      this.#stream.uncork();
    });
  }

  #slowDown(): void {
    if (this.#slow !== undefined || this.#isEnding) return;
    this.#slow = setTimeout(() => {
      this.#owner.outletStuck(this.#buffered);
    }, this.#limits.slowReaderMs);
    this.#owner.outletSlow();
  }

  #flushed(length: number): void {
    this.#buffered -= length;
    if (this.#slow !== undefined && this.#buffered <= this.#limits.maxBufferedBytes / 2) {
      clearTimeout(this.#slow);
      this.#slow = undefined;
      this.#owner.outletSlow();
    }
    if (this.#slow === undefined) this.#owner.outletDrained();
  }
}
