import { Observable, type Subscriber } from 'rxjs';
import { asRelayError, RelayError } from '../errors/index.ts';
import { isFinished } from './message-record.ts';
import { waitedUntil } from './asked-read.ts';
import type { Stored } from './outbox-change.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';
import type { Arrival, ReadReceipt, Receipt, SendStatus } from './outbox.ts';

interface Watcher {
  readonly subscriber: Subscriber<SendStatus>;
  last: SendStatus | undefined;
}

/** Who waits for the word that a message was read. */
interface Reader {
  readonly sendId: SendId;
  readonly resolve: (read: ReadReceipt) => void;
  readonly reject: (error: RelayError) => void;
}

/** Tells who asks where messages stand: from the store first, then as it changes. Holds nothing of what nobody watches. */
export class Receipts {
  readonly #store: OutboxStore;
  readonly #now: () => number;
  readonly #watchers = new Map<SendId, Set<Watcher>>();
  readonly #readers = new Set<Reader>();
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
      read: (signal) => this.#read(sendId, status$, signal),
    };
  }

  tell(sendId: SendId, status: SendStatus): void {
    for (const watcher of [...(this.#watchers.get(sendId) ?? [])]) give(watcher, status);
  }

  tellRead(sendId: SendId, read: ReadReceipt): void {
    for (const reader of [...this.#readers]) if (reader.sendId === sendId) reader.resolve(read);
  }

  /** Other processes may have changed what is watched here, and time what is waited for. */
  async refresh(): Promise<boolean> {
    for (const reader of [...this.#readers]) await this.#settle(reader, await this.#store.get(reader.sendId));
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
    for (const { reject } of [...this.#readers]) reject(new RelayError('aborted'));
  }

  async #read(sendId: SendId, status$: Observable<SendStatus>, signal: AbortSignal | undefined): Promise<ReadReceipt> {
    const stored = await this.#store.get(sendId);
    if (stored?.record.readReceipt === false) throw new RelayError('no-read-receipt', { details: { sendId } });
    return settled(signal, (resolve, reject) => {
      const reader: Reader = { sendId, resolve, reject };
      if (this.#isOver) reject(new RelayError('aborted'));
      this.#readers.add(reader);
      this.#settle(reader, stored).catch(reject);
      // It may fail, and be retried: then it is asked for again.
      const subscription = status$.subscribe({
        next: (status) => {
          if (status.state === 'failed') reject(status.error);
        },
        error: reject,
      });
      return () => {
        subscription.unsubscribe();
        this.#readers.delete(reader);
      };
    });
  }

  async #settle({ sendId, resolve, reject }: Reader, stored: Stored | undefined): Promise<void> {
    const isLate = stored !== undefined && (await this.#isLate(stored));
    // Looked at last: with the word goes that it was asked for.
    const read = await this.#store.read(sendId);
    if (read !== undefined) resolve(read);
    else if (stored === undefined) reject(new RelayError('no-such-message', { details: { sendId } }));
    else if (isLate) reject(new RelayError('read-timeout', { details: { sendId } }));
  }

  /** Whether its recipient's word is waited for no more. */
  async #isLate({ record }: Stored): Promise<boolean> {
    const { progress } = record;
    if (progress.state !== 'relayed' && progress.state !== 'finalized') return false;
    const asked = await this.#store.asked(progress.messageId);
    return asked === undefined || waitedUntil(asked, record) <= this.#now();
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

/** As `begin` settles it, which gives what ends its work. Throws aborted at the caller's will. */
function settled<T>(
  signal: AbortSignal | undefined,
  begin: (resolve: (value: T) => void, reject: (error: unknown) => void) => () => void,
): Promise<T> {
  const over = new AbortController();
  const outcome = new Promise<T>((resolve, reject) => {
    const giveUp = (): void => {
      reject(new RelayError('aborted', { cause: signal?.reason }));
    };
    if (signal?.aborted === true) giveUp();
    signal?.addEventListener('abort', giveUp, { signal: over.signal });
    over.signal.addEventListener('abort', begin(resolve, reject));
  });
  return outcome.finally(() => {
    over.abort();
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
