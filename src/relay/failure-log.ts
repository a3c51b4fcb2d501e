import type { Logger } from 'pino';
import type { RelayError } from '../errors/index.ts';

export interface FailureLogOptions {
  /** How long failures of one kind are counted before the number is told, ms. Default 10 000. */
  readonly everyMs?: number;
}

interface Failures {
  readonly what: string;
  count: number;
  last: RelayError;
}

const defaults = { everyMs: 10_000 };

/**
 * Failures of the relay's own: while its disk is full, or NATS is away, each message has one. The first of a kind is told at once, the
 * others by their number.
 */
export class FailureLog {
  readonly #logger: Logger;
  readonly #everyMs: number;
  /** Since the last line of each kind. */
  readonly #kinds = new Map<string, Failures>();
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(logger: Logger, options: FailureLogOptions = {}) {
    this.#logger = logger;
    this.#everyMs = { ...defaults, ...options }.everyMs;
  }

  /** `what`: what failed by it, one of a few texts. */
  add(error: RelayError, what: string, facts: Readonly<Record<string, unknown>> = {}): void {
    const kind = `${what} ${error.code}`;
    const failures = this.#kinds.get(kind);
    if (failures !== undefined) {
      failures.count += 1;
      failures.last = error;
      return;
    }
    this.#kinds.set(kind, { what, count: 0, last: error });
    this.#logger.error({ err: error, ...facts }, what);
    this.#timer ??= setInterval(() => {
      this.#tell();
    }, this.#everyMs).unref();
  }

  /** Tells what was only counted. It may be used again. */
  close(): void {
    this.#tell();
    this.#kinds.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tell(): void {
    for (const [kind, failures] of this.#kinds) {
      const { what, count, last } = failures;
      if (count === 0) this.#kinds.delete(kind);
      else this.#logger.error({ count, code: last.code, reason: last.message }, `${what}, again and again`);
      failures.count = 0;
    }
    if (this.#kinds.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
