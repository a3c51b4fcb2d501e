import { RelayError } from '../errors/index.ts';

/** What to throw for a signal that fired: its own reason where that is a RelayError. */
export function aborted(signal: AbortSignal | undefined): RelayError {
  const reason: unknown = signal?.reason;
  return reason instanceof RelayError ? reason : new RelayError('aborted', { cause: reason });
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw aborted(signal);
}

const callbacks = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls back once when the signal fires; the result takes that back. One listener a signal, however many wait: hundreds
 * of requests share the signal of one stream, and Node warns of a leak from the eleventh listener on.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  let waiting = callbacks.get(signal);
  if (waiting === undefined) {
    const all = new Set<() => void>();
    signal.addEventListener('abort', () => all.forEach((each) => each()), { once: true });
    callbacks.set(signal, (waiting = all));
  }
  const own = waiting;
  own.add(callback);
  return () => {
    own.delete(callback);
  };
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
    promise.then(resolve, reject).finally(off);
  });
}

/** A signal that fires with any of those given. */
export function anySignal(...signals: readonly (AbortSignal | undefined)[]): AbortSignal {
  return AbortSignal.any(signals.filter((signal) => signal !== undefined));
}
