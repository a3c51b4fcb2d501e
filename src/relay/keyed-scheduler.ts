import { backoffMs, type Backoff } from './backoff.ts';

export interface KeyedSchedulerOptions<K> {
  /** Whether all is done for the key; false or a rejection: again after a pause. */
  readonly work: (key: K) => Promise<boolean>;
  /** Keys worked on at once. */
  readonly concurrency: number;
  /** Pauses after failures of one key. */
  readonly backoff: Backoff;
  readonly failed: (key: K, error: unknown) => void;
}

/** Works for one key at most once at a time, for some keys at once; one that fails waits and holds up no other. */
export class KeyedScheduler<K> {
  readonly #options: KeyedSchedulerOptions<K>;
  readonly #ready = new Set<K>();
  readonly #working = new Map<K, Promise<void>>();
  readonly #pausing = new Map<K, ReturnType<typeof setTimeout>>();
  readonly #failures = new Map<K, number>();
  #stopped = false;

  constructor(options: KeyedSchedulerOptions<K>) {
    this.#options = options;
  }

  /** There is work for the key: it is done now, after what is done for it now, or after its pause. */
  wake(key: K): void {
    if (this.#stopped || this.#pausing.has(key)) return;
    this.#ready.add(key);
    this.#fill();
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    for (const timer of this.#pausing.values()) clearTimeout(timer);
    this.#pausing.clear();
    await Promise.all(this.#working.values());
  }

  #fill(): void {
    for (const key of this.#ready) {
      if (this.#working.size >= this.#options.concurrency) return;
      if (this.#working.has(key)) continue;
      this.#ready.delete(key);
      this.#working.set(key, this.#run(key));
    }
  }

  async #run(key: K): Promise<void> {
    const done = await this.#attempt(key);
    this.#working.delete(key);
    if (this.#stopped) return;
    if (done) this.#failures.delete(key);
    else this.#pause(key);
    this.#fill();
  }

  async #attempt(key: K): Promise<boolean> {
    try {
      return await this.#options.work(key);
    } catch (error) {
      this.#options.failed(key, error);
      return false;
    }
  }

  #pause(key: K): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    this.#ready.delete(key);
    const resume = (): void => {
      this.#pausing.delete(key);
      this.wake(key);
    };
    this.#pausing.set(key, setTimeout(resume, backoffMs(failures, this.#options.backoff)));
  }
}
