import type { Observable } from 'rxjs';
import { LinkedAbort } from '../../signals/index.ts';
import { throwIfAborted } from '../abort.ts';
import { LatestValue } from './latest-value.ts';
import type { NewestHead } from './newest-heads.ts';

/** What a walk over heads is told of while it lasts. */
export interface Listening extends Disposable {
  readonly newest: LatestValue<NewestHead>;
  /** Fires with the caller's, with the chain's end, and when the walk is over. */
  readonly signal: AbortSignal;
}

/** Throws aborted, chain-stopped. */
export function listenTo(
  newest$: Observable<NewestHead>,
  stopped: AbortSignal,
  callerSignal: AbortSignal | undefined,
): Listening {
  throwIfAborted(callerSignal);
  throwIfAborted(stopped);
  const leaving = new LinkedAbort(callerSignal, stopped);
  const newest = new LatestValue(newest$, () => stopped.reason as unknown);
  return {
    newest,
    signal: leaving.signal,
    [Symbol.dispose]() {
      newest[Symbol.dispose]();
      leaving.abort();
      leaving.unlink();
    },
  };
}
