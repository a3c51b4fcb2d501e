/** Silence after which it is a wait for an acknowledgement, ms: longer than pauses between frames of one answer to the next. */
const silenceMs = 3;

/**
 * A node that puts off a small frame until what it sent before is acknowledged (Nagle, RFC 896) and a system that puts off
 * acknowledging until there is something to send (RFC 1122, section 4.2.3.2) wait for each other: 40 ms each time on Linux,
 * with Polkadot's nodes before each first head and in every burst of answers. A ping is something to send.
 */
export class AckNudge {
  readonly #isAwaiting: () => boolean;
  readonly #ping: () => void;
  /** Whether nothing was sent since the last frame came. */
  #isOwed = false;
  #receivedAt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** `isAwaiting`: whether the node has more to send. */
  constructor(isAwaiting: () => boolean, ping: () => void) {
    this.#isAwaiting = isAwaiting;
    this.#ping = ping;
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
        this.#ping();
      }
    }, ms);
  }
}
