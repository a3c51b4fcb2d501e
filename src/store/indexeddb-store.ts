import { compareBytes, equalBytes } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { checkKeys, isKey } from './keys.ts';
import type { Entry, Expectation, KeyRange, TransactionalStore, Write } from './transactional-store.ts';
import { defaultPatienceMs, outOfPatience, withPatience } from './patience.ts';
import { takeWebLock, type WebLock } from './web-lock.ts';

export interface IndexedDbStoreOptions {
  /** Of the database, within the page's origin. */
  readonly name: string;
  /**
   * How long to wait for another tab, window or worker that has it open, ms; Infinity: until it is free. Default 5 000: a page
   * that is loaded again meets itself on its way out.
   */
  readonly patienceMs?: number;
  readonly signal?: AbortSignal;
}

const version = 1;
const tableName = 'khala-relay';

/**
 * A store in the browser's IndexedDB: `commit` is one transaction, flushed to the disk when it resolves. One tab, window or
 * worker has it at a time, until it is closed or gone. Throws store-in-use, store-failed, aborted.
 */
export async function openIndexedDbStore(options: IndexedDbStoreOptions): Promise<TransactionalStore> {
  const { name } = options;
  const lock = await takeWebLock(options);
  try {
    return new IndexedDbStore(await openInTime(options), lock);
  } catch (error) {
    await lock.release();
    throw asRelayError(error, 'store-failed', { path: name });
  }
}

class IndexedDbStore implements TransactionalStore {
  readonly #database: IDBDatabase;
  readonly #lock: WebLock;
  readonly #running = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(database: IDBDatabase, lock: WebLock) {
    this.#database = database;
    this.#lock = lock;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#using(async () => (isKey(key) ? answerOf(valueOf(this.#table('readonly'), key)) : undefined));
  }

  async entries({ from, to, limit = Infinity, reverse = false }: KeyRange): Promise<Entry[]> {
    return this.#using(async () => {
      // IndexedDB refuses a range that holds nothing, and reads the limit 0 as none.
      if (limit === 0 || compareBytes(from, to) >= 0) return [];
      const range = IDBKeyRange.bound(asKey(from), asKey(to), false, true);
      const table = this.#table('readonly');
      return reverse ? readBack(table, range, limit) : readOn(table, range, limit);
    });
  }

  async commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    return this.#using(async () => {
      checkKeys(writes);
      checkKeys(expected);
      const table = this.#table('readwrite');
      const committed = endOf(table.transaction);
      // Awaited below, unless a request fails before.
      committed.catch(() => undefined);
      const stored = await Promise.all(expected.map(({ key }) => answerOf(valueOf(table, key))));
      const holds = expected.every(({ value }, n) => isSame(stored[n], value));
      if (holds) write(table, writes);
      await committed;
      return holds;
    });
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#running).then(() => {
      this.#database.close();
      return this.#lock.release();
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #table(mode: 'readonly' | 'readwrite'): IDBObjectStore {
    return this.#database.transaction(tableName, mode, { durability: 'strict' }).objectStore(tableName);
  }

  async #using<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new RelayError('store-closed');
    const running = work();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw asRelayError(error, 'store-failed', { path: this.#database.name });
    } finally {
      this.#running.delete(running);
    }
  }
}

/**
 * What another tab has open without the lock may keep a database from being opened: another program, or one that has it deleted.
 * There is some patience for the browser itself, however little there is for others.
 */
async function openInTime({
  name,
  patienceMs = defaultPatienceMs,
  signal,
}: IndexedDbStoreOptions): Promise<IDBDatabase> {
  try {
    return await withPatience(Math.max(patienceMs, defaultPatienceMs), signal, (ended) => openDatabase(name, ended));
  } catch (error) {
    if (error === outOfPatience) throw new RelayError('store-in-use', { details: { path: name } });
    if (signal?.aborted === true) throw new RelayError('aborted', { cause: error });
    throw error;
  }
}

/** Throws the signal's reason. */
function openDatabase(name: string, ended: AbortSignal): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    ended.throwIfAborted();
    const opening = indexedDB.open(name, version);
    // It can't be called back: what comes of it is let go.
    ended.addEventListener('abort', () => {
      reject(ended.reason as Error);
    });
    opening.onupgradeneeded = () => {
      if (ended.aborted) opening.transaction?.abort();
      else opening.result.createObjectStore(tableName);
    };
    opening.onerror = () => {
      reject(failureOf(opening.error));
    };
    opening.onsuccess = () => {
      const { result: database } = opening;
      const isOurs = database.objectStoreNames.contains(tableName);
      if (ended.aborted || !isOurs) database.close();
      if (isOurs) resolve(database);
      else
        reject(
          new RelayError('store-failed', {
            details: { path: name, reason: 'it holds the data of another program' },
          }),
        );
    };
  });
}

function write(table: IDBObjectStore, writes: readonly Write[]): void {
  try {
    for (const { key, value } of writes)
      if (value === undefined) table.delete(asKey(key));
      // A copy: of a view IndexedDB would keep the whole buffer.
      else table.put(Uint8Array.from(value), asKey(key));
  } catch (error) {
    table.transaction.abort();
    throw error;
  }
}

async function readOn(table: IDBObjectStore, range: IDBKeyRange, limit: number): Promise<Entry[]> {
  const most = limit === Infinity ? undefined : limit;
  const [keys, values] = await Promise.all([
    answerOf(table.getAllKeys(range, most) as IDBRequest<ArrayBuffer[]>),
    answerOf(table.getAll(range, most) as IDBRequest<Uint8Array[]>),
  ]);
  return keys.map((key, n): Entry => [new Uint8Array(key), values[n] ?? new Uint8Array()]);
}

function readBack(table: IDBObjectStore, range: IDBKeyRange, limit: number): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    const found: Entry[] = [];
    const reading = table.openCursor(range, 'prev');
    reading.onsuccess = () => {
      const cursor = reading.result;
      if (cursor !== null) found.push([new Uint8Array(cursor.key as ArrayBuffer), cursor.value as Uint8Array]);
      if (cursor === null || found.length === limit) resolve(found);
      else cursor.continue();
    };
    reading.onerror = () => {
      reject(failureOf(reading.error));
    };
  });
}

function valueOf(table: IDBObjectStore, key: Uint8Array): IDBRequest<Uint8Array | undefined> {
  return table.get(asKey(key)) as IDBRequest<Uint8Array | undefined>;
}

function answerOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => {
      resolve(request.result);
    };
    request.onerror = () => {
      reject(failureOf(request.error));
    };
  });
}

/** Resolves when it is on the disk. */
function endOf(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => {
      resolve();
    };
    transaction.onabort = () => {
      reject(failureOf(transaction.error));
    };
  });
}

function failureOf(error: DOMException | null): Error {
  return error ?? new Error('the browser gave it up');
}

/** Binary keys are compared byte by byte (Indexed Database API 3.0, section 2.4). */
function asKey(bytes: Uint8Array): IDBValidKey {
  return bytes as Uint8Array<ArrayBuffer>;
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
