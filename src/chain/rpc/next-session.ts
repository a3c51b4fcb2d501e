import type { Observable } from 'rxjs';
import type { RelayError } from '../../errors/index.ts';
import { onAbort } from '../../signals/index.ts';
import { aborted } from '../abort.ts';

/** Where sessions come from. */
export interface Sessions<S> {
  /** The last one, open or not, then every new one. */
  readonly session$: Observable<S>;
  /** Its reason says why none comes any more. */
  readonly stopped: AbortSignal;
  unreachable(reason: string): RelayError;
}

/** The first session that is open. Throws chain-unreachable after `patienceMs`, aborted, why there is none any more. */
export function nextSession<S extends { readonly socket: { readonly isOpen: boolean } }>(
  sessions: Sessions<S>,
  patienceMs: number,
  signal: AbortSignal | undefined,
): Promise<S> {
  return new Promise((resolve, reject) => {
    const done = (): void => {
      clearTimeout(timer);
      off?.();
      waiting.unsubscribe();
    };
    const end = (error: RelayError): void => {
      done();
      reject(error);
    };
    const timer = Number.isFinite(patienceMs)
      ? setTimeout(() => {
          end(sessions.unreachable(`no connection for ${patienceMs} ms`));
        }, patienceMs)
      : undefined;
    const off =
      signal &&
      onAbort(signal, () => {
        end(aborted(signal));
      });
    const stop = (): void => {
      end(aborted(sessions.stopped));
    };
    const waiting = sessions.session$.subscribe({
      next: (session) => {
        if (!session.socket.isOpen) return;
        // The last one is closed, so this comes after the subscription was made.
        done();
        resolve(session);
      },
      error: stop,
      complete: stop,
    });
  });
}
