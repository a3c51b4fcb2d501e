import { RelayError } from '../errors/index.ts';
import { onAbort } from '../signals/index.ts';

/** What to throw for a signal that fired: its own reason where that is a RelayError. */
export function aborted(signal: AbortSignal | undefined): RelayError {
  const reason: unknown = signal?.reason;
  return reason instanceof RelayError ? reason : new RelayError('aborted', { cause: reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal);
}

/** Rejects with aborted as soon as the signal fires; the promise itself goes on and its failure is then ignored. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    if (signal.aborted) {
      promise.catch(() => undefined);
      reject(aborted(signal));
      return;
    }
    const off = onAbort(signal, () => {
      reject(aborted(signal));
    });
    promise.then(resolve, reject);
    promise.then(off, off);
  });
}
