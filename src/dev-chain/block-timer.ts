/** Calls `build` every `periodMs`, never twice at a time: a slow block delays the next instead of piling up. */
export class BlockTimer {
  readonly #periodMs: number;
  readonly #build: () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #due = 0;
  #running = false;

  constructor(periodMs: number, build: () => Promise<void>) {
    this.#periodMs = periodMs;
    this.#build = build;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#due = performance.now();
    this.#schedule();
  }

  stop(): void {
    this.#running = false;
    clearTimeout(this.#timer);
  }

  #schedule(): void {
    this.#due = Math.max(this.#due + this.#periodMs, performance.now());
    this.#timer = setTimeout(() => {
      void this.#build().finally(() => {
        if (this.#running) this.#schedule();
      });
    }, this.#due - performance.now());
  }
}
