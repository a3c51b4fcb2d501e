import type { RelayError } from '../errors/index.ts';

export interface Pending<T> {
  readonly resolve: (answer: T) => void;
  readonly reject: (error: RelayError) => void;
  /** Of what may stay unanswered for long. */
  readonly isOutsideWindow?: boolean;
}

/** Requests of one connection that wait for their answers, and those that wait for a place in the relay's window. */
export class PendingAnswers<T> {
  readonly #pending = new Map<number, Pending<T>>();
  readonly #queue = new Set<() => void>();
  #failure: RelayError | undefined;
  #window = 0;
  /** Places of the window: requests that the relay has not answered, whether or not someone still waits. */
  #taken = 0;
  #nextId = 1;

  get size(): number {
    return this.#pending.size + this.#queue.size;
  }

  /** The relay's word how many requests it lets stand unanswered. */
  setWindow(window: number): void {
    this.#window = Math.max(1, window);
  }

  /** Resolves when one more request fits into the window, and takes that place. Throws the signal's reason. */
  async turn(ended: AbortSignal): Promise<void> {
    ended.throwIfAborted();
    while (this.#failure === undefined && this.#taken >= this.#window)
      await new Promise<void>((resolve, reject) => {
        this.#queue.add(resolve);
        ended.addEventListener('abort', () => {
          this.#queue.delete(resolve);
          reject(ended.reason as RelayError);
        });
      });
    this.#taken += 1;
  }

  /** Waits for an answer; gives the id to ask with. */
  add(pending: Pending<T>): number {
    const id = this.#newId();
    this.#pending.set(id, pending);
    return id;
  }

  /** Nobody waits for it any more. */
  drop(id: number): void {
    this.#pending.delete(id);
  }

  /** undefined: answered before, or never asked. */
  settle(id: number): Pending<T> | undefined {
    const pending = this.#pending.get(id);
    if (this.#pending.delete(id) && pending?.isOutsideWindow !== true) this.#taken -= 1;
    this.#resumeNext();
    return pending;
  }

  /** All that wait fail, and nothing waits for its turn any more. */
  fail(why: RelayError): void {
    this.#failure = why;
    for (const { reject } of this.#pending.values()) reject(why);
    this.#pending.clear();
    for (const resume of this.#queue) resume();
    this.#queue.clear();
  }

  #newId(): number {
    const id = this.#nextId;
    this.#nextId = id === 0xffffffff ? 1 : id + 1;
    return this.#pending.has(id) ? this.#newId() : id;
  }

  #resumeNext(): void {
    const [resume] = this.#queue;
    if (resume === undefined) return;
    this.#queue.delete(resume);
    resume();
  }
}
