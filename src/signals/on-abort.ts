interface Waiting {
  readonly callbacks: Set<() => void>;
  readonly listener: () => void;
}

const waitingFor = new WeakMap<AbortSignal, Waiting>();

/** Signals that nobody waited for when somebody looked last. */
const unused = new Map<AbortSignal, Waiting>();
const sweepMs = 1_000;
let sweep: ReturnType<typeof setTimeout> | undefined;

/**
 * Calls back once when the signal fires; the result takes that back. One listener a signal, however many wait: hundreds
 * of requests share the signal of one stream, and Node warns of a leak from the eleventh listener on. None a second or two
 * after nobody waits any more: Node keeps a signal of `AbortSignal.any` that has a listener for ever, and all that its
 * listener refers to. Not at once: taking listeners off and putting them on would be a good part of what a block costs.
 */
export function onAbort(signal: AbortSignal, callback: () => void): () => void {
  const waiting = waitingFor.get(signal) ?? listen(signal);
  const own = (): void => {
    callback();
  };
  waiting.callbacks.add(own);
  return () => {
    waiting.callbacks.delete(own);
    if (waiting.callbacks.size > 0) return;
    unused.set(signal, waiting);
    sweep ??= setTimeout(letGo, sweepMs).unref();
  };
}

function letGo(): void {
  sweep = undefined;
  for (const [signal, { callbacks, listener }] of unused)
    if (callbacks.size === 0) {
      waitingFor.delete(signal);
      signal.removeEventListener('abort', listener);
    }
  unused.clear();
}

function listen(signal: AbortSignal): Waiting {
  const callbacks = new Set<() => void>();
  const listener = (): void => {
    callbacks.forEach((each) => {
      each();
    });
  };
  const waiting = { callbacks, listener };
  waitingFor.set(signal, waiting);
  signal.addEventListener('abort', listener, { once: true });
  return waiting;
}
