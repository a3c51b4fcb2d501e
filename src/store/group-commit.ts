import { asRelayError, RelayError } from '../errors/index.ts';

interface Task {
  readonly work: () => unknown;
  readonly resolve: (value: never) => void;
  readonly reject: (error: unknown) => void;
}

type Outcome = { readonly value: unknown } | { readonly error: unknown };

export interface GroupCommitOptions {
  /** Makes the error that callers get of one that is none of ours. Default: mail-store-failed. */
  readonly failed?: (error: unknown) => RelayError;
  /** Transactions that may be begun at a time: with 2 one is there when the disk is done with another. Default 1. */
  readonly maxBegun?: number;
}

/** Thrown by work before its first write, after other work: the transaction has no room for it, and the next one may. */
export class ForNextTransaction extends Error {}

// Bounds how long one transaction holds the event loop.
const maxGroup = 512;

/**
 * Runs small pieces of work in as few transactions as there can be: what arrives while others are on their way to the
 * disk shares the next one, until that is open. So under load an fsync is paid by hundreds of callers.
 *
 * `work` refuses with a RelayError before its first write; anything else that it throws fails the whole transaction,
 * which `transaction` must then undo. `transaction` calls its action when it is open, after what was begun before it,
 * and resolves when its writes are durable.
 */
export class GroupCommit {
  readonly #transaction: (action: () => void) => Promise<unknown>;
  readonly #failed: (error: unknown) => RelayError;
  readonly #maxBegun: number;
  readonly #begun = new Set<Promise<void>>();
  #waiting: Task[] = [];
  /** One was begun that takes what waits. */
  #isOpening = false;
  #closed = false;

  constructor(
    transaction: (action: () => void) => Promise<unknown>,
    { failed = mailStoreFailed, maxBegun = 1 }: GroupCommitOptions = {},
  ) {
    this.#transaction = transaction;
    this.#failed = failed;
    this.#maxBegun = maxBegun;
  }

  /** Throws what `work` throws, or what `failed` makes of the transaction's failure. */
  run<T>(work: () => T): Promise<T> {
    if (this.#closed) return Promise.reject(this.#failed(new Error('it is closed')));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ work, resolve, reject });
      this.#begin();
    });
  }

  /** Settles what was given, takes nothing more. */
  async close(): Promise<void> {
    this.#closed = true;
    while (this.#begun.size > 0 || this.#waiting.length > 0 || this.#isOpening) {
      await Promise.all(this.#begun);
      // One that is durable may be so before the next may begin.
      await new Promise(setImmediate);
    }
  }

  #begin(): void {
    if (this.#isOpening || this.#begun.size >= this.#maxBegun || this.#waiting.length === 0) return;
    this.#isOpening = true;
    const commit = this.#commit().then(() => {
      this.#begun.delete(commit);
      this.#begin();
    });
    this.#begun.add(commit);
  }

  async #commit(): Promise<void> {
    // Lets the callers of one turn of the event loop share the first transaction too.
    await Promise.resolve();
    let tasks: readonly Task[] | undefined;
    const outcomes: Outcome[] = [];
    try {
      await this.#transaction(() => {
        // A later turn: lmdb-js would take the next one for a part of this one, as long as this one is open.
        setImmediate(() => {
          this.#opened();
        });
        tasks = this.#waiting.splice(0, maxGroup);
        for (const { work } of tasks) {
          const outcome = attempt(work);
          if (outcome === undefined) break;
          outcomes.push(outcome);
        }
        this.#waiting.unshift(...tasks.slice(outcomes.length));
        tasks = tasks.slice(0, outcomes.length);
      });
    } catch (error) {
      for (const { reject } of tasks ?? this.#takeUnopened()) reject(this.#failed(error));
      return;
    }
    (tasks ?? this.#takeUnopened()).forEach(({ resolve, reject }, index) => {
      const outcome = outcomes[index];
      if (outcome === undefined) reject(this.#failed(new Error('the transaction did not run')));
      else if ('error' in outcome) reject(outcome.error);
      else resolve(outcome.value as never);
    });
  }

  #opened(): void {
    this.#isOpening = false;
    this.#begin();
  }

  #takeUnopened(): readonly Task[] {
    this.#isOpening = false;
    return this.#waiting.splice(0, maxGroup);
  }
}

/** undefined: for the next transaction. */
function attempt(work: () => unknown): Outcome | undefined {
  try {
    return { value: work() };
  } catch (error) {
    if (error instanceof ForNextTransaction) return undefined;
    if (error instanceof RelayError) return { error };
    throw error;
  }
}

function mailStoreFailed(error: unknown): RelayError {
  return asRelayError(error, 'mail-store-failed', { action: 'write' });
}
