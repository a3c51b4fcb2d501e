import { checkTimer, LinkedAbort } from '../signals/index.ts';

/** How long to wait for who else has a store, ms. */
export const defaultPatienceMs = 5_000;

/** Why a signal fired: there was no more patience. */
export const outOfPatience = Symbol('out of patience');

/** Hands `work` a signal that fires with the caller's, or after `ms` (Infinity: never) with the reason {@link outOfPatience}. Throws bad-value. */
export async function withPatience<T>(
  ms: number,
  signal: AbortSignal | undefined,
  work: (ended: AbortSignal) => Promise<T>,
): Promise<T> {
  if (ms !== Infinity) checkTimer('patienceMs', ms, 0);
  const tired = new LinkedAbort(signal);
  const giveUp = (): void => {
    tired.abort(outOfPatience);
  };
  const timer = ms === Infinity ? undefined : setTimeout(giveUp, ms);
  try {
    return await work(tired.signal);
  } finally {
    clearTimeout(timer);
    tired.unlink();
  }
}
