import type { Writable } from 'node:stream';
import type { WebSocket } from '@fastify/websocket';
import type { Mail } from '../store/mail-store.ts';
import type { BodyBudget, BodyLease } from './body-budget.ts';
import type { RelayLimits } from './limits.ts';
import { encodeDeliveries, encodeRelayFrame, type RelayFrame } from './relay-frames.ts';

/** Whose the WebSocket is. An interface and no callbacks: there are thousands of connections. */
export interface OutletOwner {
  /** Of the peer's address. */
  readonly key: string;
  /** The peer has become slower than it asks, or not any more: see {@link WsOutlet.isSlow}. */
  outletSlow(): void;
  /** It did so for too long, or all together do, with so many bytes that wait. */
  outletStuck(buffered: number): void;
  /** There is room again. */
  outletDrained(): void;
}

export interface OutletParts {
  readonly limits: Pick<RelayLimits, 'maxBufferedBytes' | 'slowReaderMs'>;
  /** Of what waits to be read by all peers. */
  readonly unread: BodyBudget;
}

// What the system takes at once, as a rule.
const uncountedBytes = 64 * 1_024;
/** What each frame takes beside its bytes while it waits, rounded up: its header, and what Node keeps of both writes. */
const frameOverhead = 512;

/** What goes out over one WebSocket, with what waits for the peer to read it counted. */
export class WsOutlet {
  readonly #socket: WebSocket;
  readonly #stream: Writable;
  readonly #limits: OutletParts['limits'];
  readonly #unread: BodyBudget;
  readonly #owner: OutletOwner;
  #isGathering = false;
  #buffered = 0;
  #slow: ReturnType<typeof setTimeout> | undefined;
  #isEnding = false;
  #lease: BodyLease | undefined;
  /** Beyond what is not counted. */
  #counted = 0;
  #isOver = false;

  /** `stream`: what the WebSocket writes to. */
  constructor(socket: WebSocket, stream: Writable, { limits, unread }: OutletParts, owner: OutletOwner) {
    this.#socket = socket;
    this.#stream = stream;
    this.#limits = limits;
    this.#unread = unread;
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
    this.#socket.send(bytes, this.#count(bytes.length, 1));
  }

  /** As one delivery frame each. They wait together, and are read together. */
  deliver(page: readonly Mail[]): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    const { frames, ends } = encodeDeliveries(page);
    // Of Node's kind: the WebSocket would make that of each frame.
    const bytes = Buffer.from(frames.buffer, frames.byteOffset, frames.length);
    const flushed = this.#count(bytes.length, ends.length);
    let start = 0;
    for (const end of ends) {
      this.#socket.send(bytes.subarray(start, end), end === bytes.length ? flushed : undefined);
      start = end;
    }
  }

  /** What another relay said. */
  pass(message: Uint8Array): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(message, this.#count(message.length, 1));
  }

  /** Pings that nobody asked for are answered as messages are: within bounds. */
  pong(data: Buffer): void {
    if (this.#socket.readyState !== this.#socket.OPEN) return;
    this.#socket.pong(data, false, this.#count(data.length, 1));
  }

  /** Nothing comes after what was sent, which a slow reader has its time for. */
  end(): void {
    this.#isEnding = true;
  }

  /** The connection is gone. */
  release(): void {
    this.#isEnding = true;
    clearTimeout(this.#slow);
    this.#lease?.end();
    this.#lease = undefined;
  }

  /** Counts what is about to be sent, in so many frames, until the function that it gives is called. */
  #count(length: number, frames: number): () => void {
    const taken = length + frames * frameOverhead;
    this.#gather();
    this.#buffered += taken;
    if (this.#buffered > uncountedBytes) this.#reserve();
    if (!this.hasRoom) this.#slowDown();
    return () => {
      this.#flushed(taken);
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

  /** What waits for many peers together has a bound, too. */
  #reserve(): void {
    const more = this.#buffered - this.#counted;
    if (more <= 0) return;
    try {
      this.#lease ??= this.#newLease();
      this.#lease.grow(more);
      this.#counted += more;
    } catch {
      this.#overflow();
    }
  }

  #newLease(): BodyLease {
    const lease = this.#unread.lease(this.#owner.key);
    lease.onEvicted = () => {
      this.#overflow();
    };
    return lease;
  }

  #overflow(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    // Not from within: who sends is not done with it yet.
    setImmediate(() => {
      this.#owner.outletStuck(this.#buffered);
    });
  }

  #slowDown(): void {
    if (this.#slow !== undefined || this.#isEnding) return;
    this.#slow = setTimeout(() => {
      this.#owner.outletStuck(this.#buffered);
    }, this.#limits.slowReaderMs);
    this.#owner.outletSlow();
  }

  #flushed(taken: number): void {
    this.#buffered -= taken;
    if (this.#buffered <= uncountedBytes && this.#lease !== undefined) {
      this.#lease.end();
      this.#lease = undefined;
      this.#counted = 0;
    }
    if (this.#slow !== undefined && this.#buffered <= this.#limits.maxBufferedBytes / 2) {
      clearTimeout(this.#slow);
      this.#slow = undefined;
      this.#owner.outletSlow();
      this.#owner.outletDrained();
    }
  }
}
