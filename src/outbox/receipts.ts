import { Observable, type Subscriber } from 'rxjs';
import { asRelayError, RelayError } from '../errors/index.ts';
import { onAbort } from '../signals/index.ts';
import { isFinished } from './message-record.ts';
import { findDelivery, findRead, type FindReceipt } from './find-receipt.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import type { Arrival, Receipt, SendStatus } from './outbox.ts';

interface Watcher {
  readonly subscriber: Subscriber<SendStatus>;
  last: SendStatus | undefined;
  /** Number of the look that told it, or that it waits for. */
  asOf: number;
}

/** Who waits for what becomes known of a message after it went. */
interface Listener {
  /** Looks in the store. */
  readonly look: () => Promise<void>;
  readonly reject: (error: unknown) => void;
}

/** Tells who asks where messages stand: from the store first, then as it changes. Holds nothing of what nobody watches. */
export class Receipts {
  readonly #store: OutboxStore;
  readonly #now: () => number;
  readonly #watchers = new Map<SendId, Set<Watcher>>();
  readonly #listeners = new Map<SendId, Set<Listener>>();
  /** Looks at the store are numbered as they begin, and what is told without one too: a later one knows at least as much. */
  #lastLook = 0;
  #isOver = false;

  /** `now`: Unix time, ms. */
  constructor(store: OutboxStore, now: () => number) {
    this.#store = store;
    this.#now = now;
  }

  of(sendId: SendId, nonce: bigint): Receipt {
    const status$ = this.#status$(sendId);
    return {
      sendId,
      nonce,
      status$,
      reached: (state, signal) => reached(status$, state, signal),
      delivered: (signal) => this.#receipt(sendId, findDelivery, signal),
      read: (signal) => this.#receipt(sendId, findRead, signal),
    };
  }

  tell(sendId: SendId, status: SendStatus): void {
    const asOf = ++this.#lastLook;
    for (const watcher of [...(this.#watchers.get(sendId) ?? [])]) give(watcher, status, asOf);
    // It may be retried: then it is asked for again.
    if (status.state === 'failed') for (const { reject } of this.#listenersTo(sendId)) reject(status.error);
    else this.known(sendId);
  }

  /** More may be known of a message: of its delivery, or that it was read. */
  known(sendId: SendId): void {
    for (const { look, reject } of this.#listenersTo(sendId)) look().catch(reject);
  }

  /** Other processes may have changed what is watched here, and time what is waited for. */
  async refresh(): Promise<boolean> {
    for (const sendId of [...this.#listeners.keys()]) for (const { look } of this.#listenersTo(sendId)) await look();
    for (const sendId of [...this.#watchers.keys()]) await this.#show(sendId);
    return false;
  }

  /** As {@link refresh}, of one message. */
  async look(sendId: SendId): Promise<void> {
    this.known(sendId);
    await this.#show(sendId);
  }

  end(): void {
    this.#isOver = true;
    for (const watchers of [...this.#watchers.values()])
      for (const { subscriber } of [...watchers]) subscriber.complete();
    for (const sendId of [...this.#listeners.keys()])
      for (const { reject } of this.#listenersTo(sendId)) reject(new RelayError('aborted'));
  }

  /** What the store has, to whoever was told nothing by a later look. */
  async #show(sendId: SendId): Promise<void> {
    const watchers = this.#watchers.get(sendId);
    if (watchers === undefined) return;
    const asOf = ++this.#lastLook;
    const status = (await this.#store.get(sendId))?.record.progress;
    if (status === undefined) return;
    for (const watcher of [...watchers]) if (watchers.has(watcher)) show(watcher, status, asOf);
  }

  #listenersTo(sendId: SendId): readonly Listener[] {
    return [...(this.#listeners.get(sendId) ?? [])];
  }

  #receipt<T>(sendId: SendId, find: FindReceipt<T>, signal: AbortSignal | undefined): Promise<T> {
    return settled(signal, (resolve, reject) => {
      const look = async (): Promise<void> => {
        const found = await this.#find(sendId, find);
        if (found instanceof RelayError) reject(found);
        else if (found !== undefined) resolve(found);
      };
      const listener = { look, reject };
      const listeners = this.#listeners.get(sendId) ?? new Set();
      this.#listeners.set(sendId, listeners.add(listener));
      if (this.#isOver) reject(new RelayError('aborted'));
      else look().catch(reject);
      return () => {
        listeners.delete(listener);
        if (listeners.size === 0 && this.#listeners.get(sendId) === listeners) this.#listeners.delete(sendId);
      };
    });
  }

  async #find<T>(sendId: SendId, find: FindReceipt<T>): Promise<T | RelayError | undefined> {
    const stored = await this.#store.get(sendId);
    if (stored === undefined) return new RelayError('no-such-message', { details: { sendId } });
    const { progress } = stored.record;
    return progress.state === 'failed' ? progress.error : find(this.#store, stored, this.#now());
  }

  #status$(sendId: SendId): Observable<SendStatus> {
    return new Observable((subscriber) => {
      if (this.#isOver) {
        subscriber.complete();
        return;
      }
      const asOf = ++this.#lastLook;
      const watcher: Watcher = { subscriber, last: undefined, asOf };
      const watchers = this.#watchers.get(sendId) ?? new Set();
      this.#watchers.set(sendId, watchers.add(watcher));
      this.#store.get(sendId).then(
        (stored) => {
          if (stored === undefined) subscriber.complete();
          else show(watcher, stored.record.progress, asOf);
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

/** Also of a state that it was in: a reorg gives a message another block, and what is sealed anew has another id. */
function isNews(status: SendStatus, last: SendStatus): boolean {
  return placeOf(status) !== placeOf(last);
}

function placeOf(status: SendStatus): string {
  const id = 'messageId' in status ? status.messageId : '';
  return [status.state, id, 'blockHash' in status ? status.blockHash : ''].join();
}

/** `asOf`: number of the look. */
function show(watcher: Watcher, status: SendStatus, asOf: number): void {
  if (asOf < watcher.asOf) return;
  if (watcher.last === undefined || isNews(status, watcher.last)) give(watcher, status, asOf);
  else watcher.asOf = asOf;
}

function give(watcher: Watcher, status: SendStatus, asOf: number): void {
  watcher.last = status;
  watcher.asOf = asOf;
  watcher.subscriber.next(status);
  if (isFinished(status)) watcher.subscriber.complete();
}

/** As `begin` settles it, which gives what ends its work. Throws aborted at the caller's will. */
function settled<T>(
  signal: AbortSignal | undefined,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  let end = (): void => undefined;
  const outcome = new Promise<T>((resolve, reject) => {
    const giveUp = (): void => {
      reject(new RelayError('aborted', { cause: signal?.reason }));
    };
    if (signal?.aborted === true) giveUp();
    const off = signal && onAbort(signal, giveUp);
    const stop = begin(resolve, reject);
    end = () => {
      off?.();
      stop();
    };
  });
  return outcome.finally(() => {
    end();
  });
}

/** Throws what it failed with, and aborted where the outbox or the caller's patience ends before. */
function reached(
  status$: Observable<SendStatus>,
  wanted: 'inBlock' | 'finalized',
  signal: AbortSignal | undefined,
): Promise<Arrival> {
  return settled(signal, (resolve, reject) => {
    const subscription = status$.subscribe({
      next: (status) => {
        if (status.state === 'failed') reject(status.error);
        else if (isArrival(status, wanted)) resolve(status);
      },
      error: reject,
      complete: () => {
        reject(new RelayError('aborted'));
      },
    });
    return () => {
      subscription.unsubscribe();
    };
  });
}

function isArrival(status: SendStatus, wanted: 'inBlock' | 'finalized'): status is Arrival {
  const { state } = status;
  return state === 'finalized' || state === 'relayed' || (state === 'inBlock' && wanted === 'inBlock');
}
