import { RelayError } from '../errors/index.ts';

/** Counts the bytes of messages between arrival and answer: bounds them, and tells when the last was answered. */
export class InFlight {
  readonly #maxBytes: number;
  readonly #idle = new Set<() => void>();
  #bytes = 0;
  #count = 0;
  #closed = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** One more, of `size` bytes; `leave` ends it. Throws relay-stopping, relay-busy. */
  enter(size: number): void {
    if (this.#closed) throw new RelayError('relay-stopping');
    if (this.#bytes + size > this.#maxBytes)
      throw new RelayError('relay-busy', { details: { what: `${this.#maxBytes} bytes of messages in flight` } });
    this.#bytes += size;
    this.#count += 1;
  }

  /** One less, of the size that it entered with. */
  leave(size: number): void {
    this.#bytes -= size;
    this.#count -= 1;
    if (this.#count === 0) for (const resolve of this.#idle) resolve();
  }

  /** Takes nothing more. Resolves when all is answered, or after `waitMs` with false. */
  async close(waitMs: number): Promise<boolean> {
    this.#closed = true;
    if (this.#count === 0) return true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const idle = new Promise<boolean>((resolve) => {
      this.#idle.add(() => {
        resolve(true);
      });
    });
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, waitMs, false);
    });
    return Promise.race([idle, late]).finally(() => {
      clearTimeout(timer);
    });
  }
}
