import { letGo } from '../signals/index.ts';

/** Before the first new try after a setback; doubles. */
const retryMs = 1_000;
/** Longest of these pauses. */
const maxRetryMs = 30_000;

/** Runs a step when it is woken, never two at a time, and not during the pause after a setback. */
export class StepLoop {
  readonly #step: () => Promise<boolean>;
  readonly #onError: (error: unknown) => void;
  readonly #signal: AbortSignal;
  #isOpen = false;
  #isWoken = false;
  /** Since the step began. */
  #isResumed = false;
  #setbacks = 0;
  #running: Promise<void> | undefined;
  #pause: ReturnType<typeof setTimeout> | undefined;

  /** `step` tells whether there may be more to do at once. `onError` is told what it throws. */
  constructor(step: () => Promise<boolean>, onError: (error: unknown) => void, signal: AbortSignal) {
    this.#step = step;
    this.#onError = onError;
    this.#signal = signal;
  }

  open(): void {
    this.#isOpen = true;
    this.wake();
  }

  /** There may be something to do. */
  wake(): void {
    this.#isWoken = true;
    if (!this.#isOpen || this.#isPaused() || this.#signal.aborted) return;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isWoken) this.wake();
    });
  }

  /** What was in the way may be gone: the pause is over, also one that a step which saw it before is to end in. */
  resume(): void {
    this.#isResumed = true;
    this.#endPause();
    this.wake();
  }

  /** Something is in the way: nothing is tried for a while. */
  pause(): void {
    if (this.#signal.aborted) return;
    clearTimeout(this.#pause);
    const ms = Math.min(maxRetryMs, retryMs * 2 ** this.#setbacks++);
    this.#pause = setTimeout(() => {
      this.resume();
    }, ms);
    letGo(this.#pause);
  }

  /** Resolves when no step runs any more; the signal ends it. */
  async stop(): Promise<void> {
    clearTimeout(this.#pause);
    await this.#running;
    clearTimeout(this.#pause);
  }

  #endPause(): void {
    clearTimeout(this.#pause);
    this.#pause = undefined;
  }

  #hasResumed(): boolean {
    return this.#isResumed;
  }

  #isPaused(): boolean {
    return this.#pause !== undefined;
  }

  async #run(): Promise<void> {
    while (this.#isWoken && !this.#isPaused() && !this.#signal.aborted) {
      this.#isWoken = false;
      this.#isResumed = false;
      try {
        if (await this.#step()) this.#isWoken = true;
        if (!this.#isPaused()) this.#setbacks = 0;
      } catch (error) {
        this.#onError(error);
        this.pause();
      }
      if (this.#hasResumed()) this.#endPause();
    }
  }
}
