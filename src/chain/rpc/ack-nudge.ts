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
  #look: ReturnType<typeof setImmediate> | undefined;

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
    // Behind the other frames that are there by now, and the requests that all of them bring about.
    if (this.#isAwaiting()) this.#look ??= setImmediate(() => this.#pongWhereOwed());
  }

  end(): void {
    if (this.#look !== undefined) clearImmediate(this.#look);
    this.#isOwed = false;
  }

  #pongWhereOwed(): void {
    this.#look = undefined;
    if (!this.#isOwed || !this.#isAwaiting()) return;
    this.sent();
    this.#pong();
  }
}
