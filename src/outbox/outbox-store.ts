import { lastNumber, rangeOf, storeKey, type TransactionalStore, type Write } from '../store/index.ts';
import { decodeQueued, encodeQueued, type QueuedMessage } from './queued-message.ts';

export type SendId = bigint;

/** Keys and values of the outbox in its store. */
export class OutboxStore {
  readonly #store: TransactionalStore;

  constructor(store: TransactionalStore) {
    this.#store = store;
  }

  /** Appends a message; safe against other processes that append. */
  async append(message: QueuedMessage): Promise<SendId> {
    for (;;) {
      const [last] = await this.#store.entries({ ...rangeOf('outbox/used/'), reverse: true, limit: 1 });
      const id = last === undefined ? 0n : lastNumber(last[0]) + 1n;
      const used = { key: storeKey('outbox/used/', id), value: new Uint8Array(1) };
      const stale = last === undefined ? [] : [{ key: last[0], value: undefined }];
      const expected = [{ key: used.key, value: undefined }];
      if (await this.#store.commit([...stale, used, messageWrite(id, message)], expected)) return id;
    }
  }

  /** Oldest first. */
  async all(): Promise<(readonly [SendId, QueuedMessage])[]> {
    const entries = await this.#store.entries(rangeOf('outbox/message/'));
    return entries.map(([key, value]) => [lastNumber(key), decodeQueued(value)] as const);
  }

  /** Stores how far messages got; undefined: done, forget it. */
  async update(changes: readonly (readonly [SendId, QueuedMessage | undefined])[]): Promise<void> {
    await this.#store.commit(changes.map(([id, message]) => messageWrite(id, message)));
  }
}

function messageWrite(id: SendId, message: QueuedMessage | undefined): Write {
  return { key: storeKey('outbox/message/', id), value: message === undefined ? undefined : encodeQueued(message) };
}
