import { letGo } from './let-go.ts';

interface Waiter {
  /** undefined of one that took that back: V8 keeps what was in a set until it collects old garbage. */
  callback: (() => void) | undefined;
}

/** Who waits for one signal. */
class Waiting extends Set<Waiter> implements EventListenerObject {
  handleEvent(): void {
    for (const { callback } of this) callback?.();
  }
}

const waitingFor = new WeakMap<AbortSignal, Waiting>();

/** Signals that nobody waited for when somebody looked last. */
const unused = new Set<AbortSignal>();
const sweepMs = 1_000;

/**
 * Calls back once when the signal fires; the result takes that back. One listener a signal, however many wait: hundreds
 * of requests share the signal of one stream, and Node warns of a leak from the eleventh listener on. None a second or two
 * after nobody waits any more: a caller's signal may live longer than all that waited for it, and Node keeps one that the
 * caller made by `AbortSignal.any` for as long as it has a listener. Not at once: taking listeners off and putting them on
 * would be a good part of what a block costs.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const waiting = waitingFor.get(signal) ?? listen(signal);
  const own: Waiter = { callback };
  waiting.add(own);
  return () => {
    own.callback = undefined;
    waiting.delete(own);
    if (waiting.size > 0) return;
    if (unused.size === 0) letGo(setTimeout(sweep, sweepMs));
    unused.add(signal);
  };
}

function sweep(): void {
  for (const signal of unused) {
    const waiting = waitingFor.get(signal);
    if (waiting?.size !== 0) continue;
    waitingFor.delete(signal);
    signal.removeEventListener('abort', waiting);
  }
  unused.clear();
}

function listen(signal: AbortSignal): Waiting {
  const waiting = new Waiting();
  waitingFor.set(signal, waiting);
  signal.addEventListener('abort', waiting, { once: true });
  return waiting;
}
