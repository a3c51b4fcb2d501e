import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { Subscription } from 'rxjs';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { RelayDirectory } from '../relay/index.ts';
import type { WorkerEntry, WorkerStateWatch } from '../worker-state/index.ts';

type Watch = Pick<WorkerStateWatch, 'state' | 'at$' | 'ready' | 'stop'>;

export interface KeepWorkerStateOptions {
  /** Begins a watch. */
  readonly begin: () => Watch;
  readonly logger: Logger;
  /** Gives the first snapshot up. */
  readonly signal?: AbortSignal;
  /** Pause before it is begun anew, ms; doubles up to 16 times that. Default 1 000. */
  readonly pauseMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
}

/** WorkerState as it was last seen. */
export interface KeptState extends RelayDirectory {
  get(id: Hex): WorkerEntry | undefined;
  has(id: Hex): boolean;
  ageMs(): number;
}

export interface KeptWorkerState extends AsyncDisposable {
  readonly state: KeptState;
}

/**
 * For who runs for months: a watch that ends is begun anew, as often as it takes, and meanwhile the state stays as it was last seen,
 * and tells its age. Resolves when the first snapshot stands; throws what the first watch ends with before
 * that, and aborted.
 */
export async function keepWorkerState(options: KeepWorkerStateOptions): Promise<KeptWorkerState> {
  const watch = options.begin();
  try {
    await Promise.race([watch.ready, aborted(options.signal)]);
  } catch (error) {
    await watch.stop();
    throw error;
  }
  return new Keeper(watch, options);
}

const mostPauses = 16;

class Keeper implements KeptWorkerState {
  readonly state: KeptState;
  readonly #options: Required<Omit<KeepWorkerStateOptions, 'signal'>>;
  readonly #stopped = new AbortController();
  #watch: Watch;
  #following: Subscription | undefined;
  #replacing: Promise<void> | undefined;
  #seenAt: number;

  constructor(watch: Watch, options: KeepWorkerStateOptions) {
    this.#options = { pauseMs: 1_000, now: Date.now, ...options };
    this.#watch = watch;
    this.#seenAt = this.#options.now();
    this.state = {
      get: (id) => this.#watch.state.get(id),
      has: (id) => this.#watch.state.has(id),
      ageMs: () => this.#options.now() - this.#seenAt,
    };
    this.#follow(watch);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped.abort();
    this.#following?.unsubscribe();
    await this.#replacing;
    await this.#watch.stop();
  }

  #follow(watch: Watch): void {
    const ended = (error?: unknown): void => {
      if (!this.#stopped.signal.aborted) this.#replacing = this.#replace(watch, error);
    };
    this.#following = watch.at$.subscribe({
      next: () => (this.#seenAt = this.#options.now()),
      error: ended,
      complete: ended,
    });
  }

  async #replace(old: Watch, error: unknown): Promise<void> {
    const { logger, pauseMs } = this.#options;
    const { signal } = this.#stopped;
    logger.error({ err: error }, 'WorkerState is not followed any more; it is begun anew');
    await old.stop();
    for (let pauses = 1; ; pauses = Math.min(2 * pauses, mostPauses)) {
      await sleep(pauses * pauseMs, undefined, { signal }).catch(() => undefined);
      if (signal.aborted || (await this.#beginAnew())) return;
    }
  }

  async #beginAnew(): Promise<boolean> {
    const { begin, logger, now } = this.#options;
    const { signal } = this.#stopped;
    const next = begin();
    const stop = (): void => void next.stop();
    signal.addEventListener('abort', stop, { once: true });
    try {
      await next.ready;
    } catch (error) {
      if (!signal.aborted) logger.error({ err: error }, 'WorkerState can not be read');
      await next.stop();
      return false;
    } finally {
      signal.removeEventListener('abort', stop);
    }
    this.#watch = next;
    this.#seenAt = now();
    this.#follow(next);
    logger.warn('WorkerState is followed again');
    return true;
  }
}

function aborted(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const give = (): void => {
      reject(new RelayError('aborted'));
    };
    if (signal?.aborted === true) give();
    signal?.addEventListener('abort', give, { once: true });
  });
}
