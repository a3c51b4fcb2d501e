import type { Writable } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import { encodeRelayFrame, type RelayFrame } from './frames.ts';
import type { RelayLimits } from './limits.ts';

export interface OutletParts {
  readonly limits: Pick<RelayLimits, 'maxBufferedBytes' | 'slowReaderMs'>;
  /** The peer reads slower than it asks, or not any more. */
  readonly slow: (isSlow: boolean) => void;
  /** It did so for too long, with so many bytes that wait. */
  readonly stuck: (buffered: number) => void;
  /** There is room again. */
  readonly drained: () => void;
}

/** Header of a control frame from a server. */
const pongOverhead = 2;

/** What goes out over one WebSocket, with what waits for the peer to read it counted. */
export class WsOutlet {
  readonly #socket: WebSocket;
  readonly #stream: Writable;
  readonly #parts: OutletParts;
  #isGathering = false;
  #buffered = 0;
  #slow: ReturnType<typeof setTimeout> | undefined;
  #isEnding = false;

  /** `stream`: what the WebSocket writes to. */
  constructor(socket: WebSocket, stream: Writable, parts: OutletParts) {
    this.#socket = socket;
    this.#stream = stream;
    this.#parts = parts;
  }

  get hasRoom(): boolean {
    return this.#buffered <= this.#parts.limits.maxBufferedBytes;
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
    const { limits, slow, stuck } = this.#parts;
    this.#slow = setTimeout(() => {
      stuck(this.#buffered);
    }, limits.slowReaderMs);
    slow(true);
  }

  #flushed(length: number): void {
    const { limits, slow, drained } = this.#parts;
    this.#buffered -= length;
    if (this.#slow !== undefined && this.#buffered <= limits.maxBufferedBytes / 2) {
      clearTimeout(this.#slow);
      this.#slow = undefined;
      slow(false);
    }
    if (this.#slow === undefined) drained();
  }
}
