/** A request that is answered in time, or not. */
export interface Due {
  readonly method: string;
  readonly timeoutMs: number;
  /** Ms of the process. */
  readonly dueAt: number;
}

/** Tells when one of many requests is overdue. One timer for all: most are answered long before. */
export class Deadlines {
  readonly #requests: () => Iterable<Due>;
  readonly #onOverdue: (request: Due) => void;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #timerAt = Infinity;

  /** `requests`: those that are not answered yet. */
  constructor(requests: () => Iterable<Due>, onOverdue: (request: Due) => void) {
    this.#requests = requests;
    this.#onOverdue = onOverdue;
  }

  /** When a request that is sent now is overdue; it is to be among the requests from now on. */
  of(timeoutMs: number): number {
    const dueAt = performance.now() + timeoutMs;
    if (dueAt < this.#timerAt) this.#lookAt(dueAt);
    return dueAt;
  }

  end(): void {
    clearTimeout(this.#timer);
  }

  #lookAt(at: number): void {
    clearTimeout(this.#timer);
    this.#timerAt = at;
    this.#timer = setTimeout(() => this.#look(), Math.max(0, at - performance.now()));
  }

  #look(): void {
    this.#timerAt = Infinity;
    const now = performance.now();
    let next = Infinity;
    for (const request of this.#requests()) {
      // A timer may fire a little early.
      if (request.dueAt <= now + 1) {
        this.#onOverdue(request);
        return;
      }
      next = Math.min(next, request.dueAt);
    }
    if (next < Infinity) this.#lookAt(next);
  }
}
