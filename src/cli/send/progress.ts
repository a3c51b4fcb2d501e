import { isRelayError, RelayError, asRelayError } from '../../errors/index.ts';
import type { Arrival, Receipt, SendStatus } from '../../outbox/index.ts';

/** A setback of the chain comes again each second for as long as it lasts. */
const setbackLastsMs = 3_000;
/** Between looks at what has its time, and waits for a block or for an endpoint that is being tried. */
const lookMs = 500;

/** Messages under way, and whether any of them gets on: who waits for them gives up where none does. */
export class Progress {
  readonly #patienceMs: number;
  readonly #onFailure: (sendId: bigint, error: RelayError) => void;
  readonly #states = new Map<bigint, SendStatus['state']>();
  #setback: RelayError | undefined;
  #setbackAt = Number.NEGATIVE_INFINITY;
  #failure: RelayError | undefined;
  /** Last time that any of them got on, ms. */
  #movedAt = performance.now();
  /** Endpoints are being tried, each in its own time. */
  #tries = 0;
  #wake: () => void = () => undefined;

  /** `onFailure` is told at once of each message that fails, and of what is open with aborted where the outbox stops. */
  constructor(patienceMs: number, onFailure: (sendId: bigint, error: RelayError) => void = () => undefined) {
    this.#patienceMs = patienceMs;
    this.#onFailure = onFailure;
  }

  /** What the first one failed with that did. */
  get failure(): RelayError | undefined {
    return this.#failure;
  }

  /** How many have not come to where they are waited for. */
  get left(): number {
    return this.#states.size;
  }

  /** Local numbers of those. */
  get open(): readonly bigint[] {
    return [...this.#states.keys()];
  }

  /** Something is in the way, and is tried again. */
  setback(error: RelayError): void {
    this.#setback = error;
    this.#setbackAt = performance.now();
  }

  /** While endpoints are tried nobody gives up. */
  async trying<T>(work: () => Promise<T>): Promise<T> {
    this.#tries += 1;
    try {
      return await work();
    } finally {
      this.#tries -= 1;
      this.#wake();
    }
  }

  /** Follows a message until it is there. */
  add(receipt: Receipt, until: 'inBlock' | 'finalized', arrived: (arrival: Arrival) => void): void {
    const { sendId } = receipt;
    this.#states.set(sendId, 'queued');
    this.#moves();
    receipt.status$.subscribe({
      next: ({ state }) => {
        if (!this.#states.has(sendId)) return;
        this.#states.set(sendId, state);
        // Off chain a message is submitted for as long as an endpoint is tried, and then queued again.
        if (state !== 'queued' && state !== 'submitted') this.#moves();
      },
      error: () => undefined, // told by reached()
    });
    receipt
      .reached(until)
      .then(arrived)
      .catch((error: unknown) => {
        const failure = asRelayError(error, 'internal');
        this.#failure ??= failure;
        this.#onFailure(sendId, failure);
      })
      .finally(() => {
        this.#states.delete(sendId);
        this.#moves();
      });
  }

  /** Waits until no more than so many are left. Throws what one of them failed with, still-queued, aborted. */
  async until(left: number, signal: AbortSignal): Promise<void> {
    while (this.left > left) {
      await this.#change(signal);
      if (signal.aborted) throw new RelayError('aborted', { cause: signal.reason });
      if (this.left > left && this.#isStuck()) throw this.#stillQueued();
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #moves(): void {
    this.#movedAt = performance.now();
    this.#wake();
  }

  /** What a node has taken needs blocks, however long they take; unless the chain itself is away. */
  #isStuck(): boolean {
    if (this.#tries > 0 || this.#remainingMs() > 0) return false;
    const isPosted = [...this.#states.values()].some((state) => state !== 'queued');
    return !isPosted || performance.now() - this.#setbackAt < setbackLastsMs;
  }

  #remainingMs(): number {
    return this.#movedAt + this.#patienceMs - performance.now();
  }

  #stillQueued(): RelayError {
    const reason = this.#setback?.message ?? 'there is no way to the recipient that may be taken';
    // An outbox of another process took over the queue: it sends what is there.
    if (isRelayError(this.#setback, 'outbox-replaced')) return this.#setback;
    return new RelayError('still-queued', { details: { count: this.left, reason }, cause: this.#setback });
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.max(lookMs, this.#remainingMs()));
      signal.addEventListener('abort', done);
      this.#wake = done;
      if (signal.aborted) done();
    });
  }
}
