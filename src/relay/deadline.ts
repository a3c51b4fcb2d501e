import { RelayError } from '../errors/index.ts';
import { LinkedAbort, onAbort } from '../signals/index.ts';

interface Limits {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
}

export interface Wait extends Limits {
  /** Named in the error. */
  readonly endpoint: string;
}

/** A signal that ends with the caller's, by aborted, or after `timeoutMs`, by another error. */
export class Deadline {
  readonly signal: AbortSignal;
  readonly #timer: ReturnType<typeof setTimeout>;
  readonly #off: (() => void) | undefined;

  constructor({ signal, timeoutMs }: Limits, late: () => RelayError) {
    const ended = new AbortController();
    this.signal = ended.signal;
    const abort = (): void => {
      ended.abort(new RelayError('aborted', { cause: signal?.reason }));
    };
    if (signal?.aborted === true) abort();
    this.#off = signal && onAbort(signal, abort);
    this.#timer = setTimeout(() => {
      ended.abort(late());
    }, timeoutMs);
  }

  /** It ends no more. Idempotent. */
  clear(): void {
    clearTimeout(this.#timer);
    this.#off?.();
  }
}

/** Runs `work` with a signal that ends at the deadline or with the caller's. Throws aborted, relay-timeout and its errors. */
export async function withDeadline<T>(wait: Wait, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const { timeoutMs, endpoint } = wait;
  const deadline = new Deadline(wait, () => new RelayError('relay-timeout', { details: { endpoint, timeoutMs } }));
  try {
    return await race(deadline.signal, work);
  } finally {
    deadline.clear();
  }
}

/** A signal that ends with the caller's, or after `timeoutMs`, unless it was disposed of by then. */
export function endingSignal(timeoutMs: number, signal?: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const ended = new LinkedAbort(signal);
  const timer = setTimeout(() => {
    ended.abort(new DOMException('The time is over.', 'TimeoutError'));
  }, timeoutMs);
  return {
    signal: ended.signal,
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      ended.unlink();
    },
  };
}

function race<T>(signal: AbortSignal, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const fail = (): void => {
      reject(signal.reason as RelayError);
    };
    if (signal.aborted) {
      fail();
      return;
    }
    signal.addEventListener('abort', fail);
    work(signal).then(resolve, reject);
  });
}
