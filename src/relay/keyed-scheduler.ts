import { backoffMs, type Backoff } from './backoff.ts';

/** done: nothing is left for the key. more: the others have their turn first. failed: again after a pause. */
export type TurnOutcome = 'done' | 'more' | 'failed';

export interface KeyedSchedulerOptions<K> {
  /** One turn; a rejection is a failure. */
  readonly work: (key: K) => Promise<TurnOutcome>;
  /** Keys worked on at once. */
  readonly concurrency: number;
  /** What the key's work depends on. Keys of one lane, and those together whose last turn failed, take a part of the turns. */
  readonly laneOf: (key: K) => string;
  /** Keys of one lane worked on at once. */
  readonly perLane: number;
  /** Pauses after failures of one key. */
  readonly backoff: Backoff;
  readonly failed: (key: K, error: unknown) => void;
}

const failedLane = Symbol('failed before');

/**
 * Works for one key at most once at a time, for some keys at once, in turns. One that fails waits and holds up no other; nor do
 * many of one lane.
 */
export class KeyedScheduler<K> {
  readonly #options: KeyedSchedulerOptions<K>;
  /** Keys that wait for a turn, by lane, each in order. */
  readonly #ready = new Map<string | symbol, Set<K>>();
  readonly #queued = new Set<K>();
  readonly #working = new Map<K, Promise<void>>();
  readonly #busy = new Map<string | symbol, number>();
  readonly #again = new Set<K>();
  readonly #pausing = new Map<K, ReturnType<typeof setTimeout>>();
  readonly #failures = new Map<K, number>();
  #stopped = false;

  constructor(options: KeyedSchedulerOptions<K>) {
    this.#options = options;
  }

  /** There is work for the key: it is done now, after what is done for it now, or after its pause. */
  wake(key: K): void {
    if (this.#stopped || this.#pausing.has(key)) return;
    if (this.#working.has(key)) this.#again.add(key);
    else this.#enqueue(key);
  }

  /** Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#ready.clear();
    this.#queued.clear();
    this.#again.clear();
    for (const timer of this.#pausing.values()) clearTimeout(timer);
    this.#pausing.clear();
    await Promise.all(this.#working.values());
  }

  #enqueue(key: K): void {
    if (this.#queued.has(key)) return;
    this.#queued.add(key);
    const lane = this.#failures.has(key) ? failedLane : this.#options.laneOf(key);
    const waiting = this.#ready.get(lane) ?? new Set();
    this.#ready.set(lane, waiting.add(key));
    this.#fill();
  }

  // A lane that got a turn goes to the end, so that lanes take turns as keys of a lane do.
  #fill(): void {
    for (const [lane, waiting] of this.#ready) {
      if (this.#working.size >= this.#options.concurrency) return;
      const busy = this.#busy.get(lane) ?? 0;
      const [key] = waiting;
      if (key === undefined || busy >= this.#options.perLane) continue;
      waiting.delete(key);
      this.#queued.delete(key);
      this.#ready.delete(lane);
      if (waiting.size > 0) this.#ready.set(lane, waiting);
      this.#busy.set(lane, busy + 1);
      this.#working.set(key, this.#run(key, lane));
    }
  }

  async #run(key: K, lane: string | symbol): Promise<void> {
    const outcome = await this.#attempt(key);
    this.#working.delete(key);
    const busy = (this.#busy.get(lane) ?? 1) - 1;
    if (busy === 0) this.#busy.delete(lane);
    else this.#busy.set(lane, busy);
    if (this.#stopped) return;
    const wokenAgain = this.#again.delete(key);
    if (outcome === 'failed') this.#pause(key);
    else this.#failures.delete(key);
    if (outcome === 'more' || (outcome === 'done' && wokenAgain)) this.#enqueue(key);
    else this.#fill();
  }

  async #attempt(key: K): Promise<TurnOutcome> {
    try {
      return await this.#options.work(key);
    } catch (error) {
      this.#options.failed(key, error);
      return 'failed';
    }
  }

  #pause(key: K): void {
    const failures = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, failures);
    const resume = (): void => {
      this.#pausing.delete(key);
      this.wake(key);
    };
    this.#pausing.set(key, setTimeout(resume, backoffMs(failures, this.#options.backoff)));
  }
}
