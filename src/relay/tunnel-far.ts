import type { BodyBudget } from './body-budget.ts';
import { frameOverhead } from './frames.ts';
import type { RelayLimits } from './limits.ts';
import type { NodeSocket, NodeSocketHandlers } from './node-transport.ts';
import { decodeRelayFrame, relayTypes } from './relay-frames.ts';
import { WsInlet, type InletOwner } from './ws-inlet.ts';

/** Whose other end it is. */
export interface FarOwner {
  /** Of the peer's address: it pays for what is said to it, and holds what comes of it. */
  readonly key: string;
  /** As of {@link InletOwner}, for what comes. */
  chargeAnswers(units: number): number;
  /** One whole frame. */
  farSaid(message: Uint8Array): void;
  /** It gave a sign of life. */
  farIsActive(): void;
  /** It is to end, or has ended. */
  farFailed(reason: string): void;
  /** No socket is left of it. Once. */
  farGone(): void;
}

export interface FarParts {
  readonly limits: Pick<RelayLimits, 'maxMessageBytes'>;
  readonly budget: BodyBudget;
  /** Opens the connection to the other relay, which takes messages of so many bytes. Throws endpoint-refused. */
  readonly dial: (handlers: NodeSocketHandlers, maxBytes: number) => NodeSocket;
}

const passed: ReadonlySet<number | undefined> = new Set([
  relayTypes.receipt,
  ...[relayTypes.hello, relayTypes.challenge, relayTypes['logged-in'], relayTypes.reply, relayTypes.error],
]);
// An error is the longest but for an answer, with a record in its details.
const maxShortBytes = 16 * 1_024;
// For a close frame to be answered.
const closeMs = 1_000;

/** The connection of a tunnel to the other relay, which anybody may run: what comes is bounded as what strangers send is, and paid for. */
export class TunnelFar implements InletOwner {
  readonly #owner: FarOwner;
  readonly #parts: FarParts;
  readonly #inlet: WsInlet;
  #socket: NodeSocket | undefined;
  #isOpen = false;
  #isEnding = false;
  #isSlow = false;
  #closing: ReturnType<typeof setTimeout> | undefined;

  constructor(owner: FarOwner, parts: FarParts) {
    this.#owner = owner;
    this.#parts = parts;
    this.#inlet = new WsInlet(this, { budget: parts.budget, key: owner.key });
  }

  /** Whether it can be said anything. */
  get isOpen(): boolean {
    return this.#isOpen && !this.#isEnding;
  }

  /** Bytes that wait for it to read them. */
  get buffered(): number {
    return this.#socket?.buffered ?? 0;
  }

  /** Dials, once. All of it may be over by the time that this returns. */
  start(): void {
    const { dial, limits } = this.#parts;
    try {
      this.#socket = dial(this.#handlers(), limits.maxMessageBytes + frameOverhead);
    } catch {
      this.#isEnding = true;
      this.#owner.farFailed('far-refused');
      this.#owner.farGone();
    }
  }

  /** A message that was under way the last time still is. */
  isStuck(): boolean {
    return !this.#isSlow && !this.#inlet.isHeld && this.#inlet.isStuck();
  }

  send(message: Uint8Array): void {
    this.#socket?.send(message);
  }

  /** Who it is read for is behind. */
  setSlow(isSlow: boolean): void {
    this.#isSlow = isSlow;
    this.#readOn();
  }

  /** Says goodbye, and waits a second for the answer. Idempotent. */
  close(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#closing = setTimeout(() => {
      socket.terminate();
    }, closeMs);
    socket.resume();
    socket.close();
  }

  /** Ends it at once. */
  terminate(): void {
    this.close();
    this.#socket?.terminate();
  }

  charge(units: number): number {
    return this.#owner.chargeAnswers(units);
  }

  take(message: Uint8Array): void {
    if (this.#isEnding) return;
    // A copy: a view would keep all that was read from the socket with it.
    if (isAnswer(message)) this.#owner.farSaid(Buffer.from(message));
    else this.#owner.farFailed('bad-frame');
  }

  pong(): void {
    // The socket answers pings itself.
  }

  inletHeld(): void {
    this.#readOn();
  }

  inletFull(): void {
    this.#owner.farFailed('relay-busy');
    // What is there of the message goes with the connection.
    this.terminate();
  }

  #handlers(): NodeSocketHandlers {
    return {
      opened: () => {
        this.#isOpen = true;
        this.#readOn();
      },
      message: (bytes) => {
        this.#owner.farIsActive();
        if (!this.#isEnding) this.#inlet.message(bytes);
      },
      control: (length) => {
        this.#owner.farIsActive();
        if (!this.#isEnding) this.#inlet.control(length);
      },
      arrived: (bytes) => {
        if (!this.#isEnding) this.#inlet.arrived(bytes);
      },
      closed: () => {
        clearTimeout(this.#closing);
        this.#isEnding = true;
        this.#inlet.release();
        this.#owner.farFailed('far-closed');
        this.#owner.farGone();
      },
    };
  }

  #readOn(): void {
    if (!this.#isSlow && !this.#inlet.isHeld) this.#socket?.resume();
    else if (!this.#isEnding) this.#socket?.pause();
  }
}

function isAnswer(message: Uint8Array): boolean {
  const [type] = message;
  if (!passed.has(type) || (type !== relayTypes.reply && message.length > maxShortBytes)) return false;
  try {
    decodeRelayFrame(message);
    return true;
  } catch {
    return false;
  }
}
