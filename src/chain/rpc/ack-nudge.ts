/** Silence after which it is a wait for an acknowledgement, ms: longer than pauses between frames of one answer to the next. */
const silenceMs = 3;

/**
 * A node that puts off a small frame until what it sent before is acknowledged (Nagle, RFC 896) and a system that puts off
 * acknowledging until there is something to send (RFC 1122, section 4.2.3.2) wait for each other: 40 ms each time on Linux,
 * with Polkadot's nodes before each first head and in every burst of answers. A pong that nobody asked for is something to
 * send (RFC 6455, section 5.5.3); the answer to a ping would be the next small frame that everything behind it waits for.
 */
export class AckNudge {
  readonly #isAwaiting: () => boolean;
  readonly #pong: () => void;
  /** Whether nothing was sent since the last frame came. */
  #isOwed = false;
  #receivedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `isAwaiting`: whether the node has more to send. */
  constructor(isAwaiting: () => boolean, pong: () => void) {
    this.#isAwaiting = isAwaiting;
    this.#pong = pong;
  }

  sent(): void {
    this.#isOwed = false;
  }

  /** To be called when all was done that a frame brings about at once. */
  received(): void {
    this.#isOwed = true;
    this.#receivedAt = performance.now();
    if (this.#timer === undefined && this.#isAwaiting()) this.#lookIn(silenceMs);
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#isOwed = false;
  }

  #lookIn(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (!this.#isOwed || !this.#isAwaiting()) return;
      const leftMs = this.#receivedAt + silenceMs - performance.now();
      if (leftMs > 0) this.#lookIn(leftMs);
      else {
        this.sent();
        this.#pong();
      }
    }, ms);
  }
}
