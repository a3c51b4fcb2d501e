import { asRelayError, RelayError } from '../errors/index.ts';

interface Task {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

// Bounds how long one transaction holds the event loop.
const maxGroup = 512;

/**
 * Runs small pieces of work in as few transactions as there can be: one transaction is on its way to the disk at a
 * time, and what arrives meanwhile shares the next one. So under load an fsync is paid by hundreds of callers.
 *
 * `work` refuses with a RelayError before its first write; anything else that it throws fails the whole transaction,
 * which `transaction` must then undo. `transaction` resolves when its writes are durable.
 */
export class GroupCommit {
  readonly #transaction: (action: () => void) => Promise<unknown>;
  readonly #failed: (error: unknown) => RelayError;
  #waiting: Task[] = [];
  #running: Promise<void> | undefined;
  #closed = false;

  /** `failed` makes the error that callers get of one that is none of ours. Default: mail-store-failed. */
  constructor(transaction: (action: () => void) => Promise<unknown>, failed = mailStoreFailed) {
    this.#transaction = transaction;
    this.#failed = failed;
  }

  /** Throws what `work` throws, or what `failed` makes of the transaction's failure. */
  run<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#failed(new Error('it is closed')));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject });
      this.#running ??= this.#drain();
    });
  }

  /** Settles what was given, takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
  }

  async #drain(): Promise<void> {
    // Lets the callers of one turn of the event loop share the first transaction too.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commit(this.#waiting.splice(0, maxGroup));
    this.#running = undefined;
  }

  async #commit(tasks: readonly Task[]): Promise<void> {
    const outcomes: Outcome[] = [];
    try {
      await this.#transaction(() => {
        for (const { work } of tasks) outcomes.push(attempt(work));
      });
    } catch (error) {
      for (const { reject } of tasks) reject(this.#failed(error));
      return;
    }
    tasks.forEach(({ resolve, reject }, index) => {
      const outcome = outcomes[index];
      if (outcome === undefined) reject(this.#failed(new Error('the transaction did not run')));
      else if ('error' in outcome) reject(outcome.error);
      else resolve(outcome.value as never);
    });
  }
}

function attempt(work: () => unknown): Outcome {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof RelayError) return { error };
    throw error;
  }
}

function mailStoreFailed(error: unknown): RelayError {
  return asRelayError(error, 'mail-store-failed', { action: 'write' });
}
