import { RelayError } from '../errors/index.ts';
import { LinkedAbort } from '../signals/index.ts';

export interface Wait {
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
  /** Named in the error. */
  readonly endpoint: string;
}

/** Runs `work` with a signal that ends at the deadline or with the caller's. Throws aborted, relay-timeout and its errors. */
export async function withDeadline<T>(wait: Wait, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const ended = new AbortController();
  const { signal, timeoutMs, endpoint } = wait;
  const abort = (): void => {
    ended.abort(new RelayError('aborted', { cause: signal?.reason }));
  };
  if (signal?.aborted === true) abort();
  signal?.addEventListener('abort', abort);
  const timer = setTimeout(() => {
    ended.abort(new RelayError('relay-timeout', { details: { endpoint, timeoutMs } }));
  }, timeoutMs);
  try {
    return await race(ended.signal, work);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
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
      ended[Symbol.dispose]();
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
