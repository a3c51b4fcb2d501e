import { Observable, type Subscriber } from 'rxjs';
import { asRelayError, RelayError } from '../errors/index.ts';
import { isFinished } from './message-record.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import type { Arrival, Receipt, SendStatus } from './outbox.ts';

interface Watcher {
  readonly subscriber: Subscriber<SendStatus>;
  last: SendStatus | undefined;
}

/** Tells who asks where messages stand: from the store first, then as it changes. Holds nothing of what nobody watches. */
export class Receipts {
  readonly #store: OutboxStore;
  readonly #watchers = new Map<SendId, Set<Watcher>>();
  #isOver = false;

  constructor(store: OutboxStore) {
    this.#store = store;
  }

  of(sendId: SendId, nonce: bigint): Receipt {
    const status$ = this.#status$(sendId);
    return {
      sendId,
      nonce,
      status$,
      reached: (state, signal) => reached(status$, state, signal),
    };
  }

  tell(sendId: SendId, status: SendStatus): void {
    for (const watcher of [...(this.#watchers.get(sendId) ?? [])]) give(watcher, status);
  }

  /** Other processes may have retried or cancelled what is watched here. */
  async refresh(): Promise<boolean> {
    for (const [sendId, watchers] of [...this.#watchers]) {
      const status = (await this.#store.get(sendId))?.record.progress;
      if (status === undefined) continue;
      for (const watcher of [...watchers]) if (watcher.last?.state !== status.state) give(watcher, status);
    }
    return false;
  }

  end(): void {
    this.#isOver = true;
    for (const watchers of [...this.#watchers.values()])
      for (const { subscriber } of [...watchers]) subscriber.complete();
  }

  #status$(sendId: SendId): Observable<SendStatus> {
    return new Observable((subscriber) => {
      if (this.#isOver) {
        subscriber.complete();
        return;
      }
      const watcher: Watcher = { subscriber, last: undefined };
      const watchers = this.#watchers.get(sendId) ?? new Set();
      this.#watchers.set(sendId, watchers.add(watcher));
      this.#store.get(sendId).then(
        (stored) => {
          if (watcher.last !== undefined || subscriber.closed) return;
          if (stored === undefined) subscriber.complete();
          else give(watcher, stored.record.progress);
        },
        (error: unknown) => {
          subscriber.error(asRelayError(error, 'outbox-setback'));
        },
      );
      return () => {
        watchers.delete(watcher);
        if (watchers.size === 0 && this.#watchers.get(sendId) === watchers) this.#watchers.delete(sendId);
      };
    });
  }
}

function give(watcher: Watcher, status: SendStatus): void {
  watcher.last = status;
  watcher.subscriber.next(status);
  if (isFinished(status)) watcher.subscriber.complete();
}

/** Throws what it failed with, and aborted where the outbox or the caller's patience ends before. */
function reached(
  status$: Observable<SendStatus>,
  wanted: 'inBlock' | 'finalized',
  signal: AbortSignal | undefined,
): Promise<Arrival> {
  const ended = new AbortController();
  const arrival = new Promise<Arrival>((resolve, reject) => {
    const giveUp = (): void => {
      reject(new RelayError('aborted', { cause: signal?.reason }));
    };
    if (signal?.aborted === true) giveUp();
    signal?.addEventListener('abort', giveUp, { signal: ended.signal });
    const subscription = status$.subscribe({
      next: (status) => {
        if (status.state === 'failed') reject(status.error);
        else if (isArrival(status, wanted)) resolve(status);
      },
      error: reject,
      complete: giveUp,
    });
    ended.signal.addEventListener('abort', () => {
      subscription.unsubscribe();
    });
  });
  return arrival.finally(() => {
    ended.abort();
  });
}

function isArrival(status: SendStatus, wanted: 'inBlock' | 'finalized'): status is Arrival {
  const { state } = status;
  return state === 'finalized' || state === 'relayed' || (state === 'inBlock' && wanted === 'inBlock');
}
