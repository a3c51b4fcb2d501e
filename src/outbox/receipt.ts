import { firstValueFrom, fromEvent, mergeMap, NEVER, of, race, throwError, throwIfEmpty, type Observable } from 'rxjs';
import type { SealedMessage } from '../channel/index.ts';
import { RelayError } from '../errors/index.ts';
import type { SendId } from './outbox-store.ts';
import type { Arrival, Receipt, SendStatus } from './outbox.ts';

export function receiptOf(sendId: SendId, sealed: SealedMessage, status$: Observable<SendStatus>): Receipt {
  const { messageId, nonce } = sealed;
  return {
    sendId,
    messageId,
    nonce,
    status$,
    reached: (state, signal) =>
      firstValueFrom(
        race(settled(status$, state), aborted(signal)).pipe(throwIfEmpty(() => new RelayError('aborted'))),
      ),
  };
}

function settled(status$: Observable<SendStatus>, wanted: 'inBlock' | 'finalized'): Observable<Arrival> {
  return status$.pipe(
    mergeMap((status) => {
      if (status.state === 'failed') return throwError(() => status.error);
      if (status.state === 'finalized' || status.state === 'relayed') return of(status);
      return status.state === 'inBlock' && wanted === 'inBlock' ? of(status) : [];
    }),
  );
}

function aborted(signal: AbortSignal | undefined): Observable<never> {
  if (signal === undefined) return NEVER;
  const fail = (): Observable<never> => throwError(() => new RelayError('aborted'));
  return signal.aborted ? fail() : fromEvent(signal, 'abort').pipe(mergeMap(fail));
}
