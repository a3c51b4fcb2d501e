import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { maxTimerMs } from '../signals/index.ts';

const defaultTimeoutMs = 60_000;

/** Handlers at work: each has its time, and a signal of its own. */
export class RunningHandlers {
  readonly #timeoutMs: number;
  // No signal derived from one of the service: Node 20 would keep an entry of each for as long as the service lives.
  readonly #running = new Set<AbortController>();
  #stopped: RelayError | undefined;

  /** Milliseconds for each, Infinity: as long as it likes; default 60 000. Throws bad-setting. */
  constructor(timeoutMs = defaultTimeoutMs) {
    if (!(timeoutMs === Infinity || (timeoutMs >= 1 && timeoutMs <= maxTimerMs))) {
      const reason = `it is neither 1 to ${maxTimerMs} ms nor Infinity`;
      throw new RelayError('bad-setting', { details: { name: 'handlerTimeoutMs', reason } });
    }
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Gives what a handler gives. When its time is over its signal aborts, and it has failed, whether it heeds the signal or not.
   * Throws handler-failed then, what the handler throws, and without a call of it what stop() was given.
   */
  async run<T>(messageId: Hex, handler: (signal: AbortSignal) => Promise<T>): Promise<T> {
    if (this.#stopped !== undefined) throw this.#stopped;
    const controller = new AbortController();
    this.#running.add(controller);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const timeIsOver = new Promise<never>((_, reject) => {
      if (this.#timeoutMs === Infinity) return;
      timer = setTimeout(() => {
        const reason = `it did not end within ${this.#timeoutMs} ms`;
        const error = new RelayError('handler-failed', { details: { messageId, reason } });
        reject(error);
        controller.abort(error);
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([handler(controller.signal), timeIsOver]);
    } finally {
      clearTimeout(timer);
      this.#running.delete(controller);
    }
  }

  /** Aborts the handlers that run, which are waited for, and begins no more. */
  stop(reason: RelayError): void {
    this.#stopped ??= reason;
    for (const controller of this.#running) controller.abort(reason);
  }
}
