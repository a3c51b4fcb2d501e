// What runs in the browser in indexeddb-store.test.ts: a store that Node speaks to in hex.
import {
  fromHex,
  isRelayError,
  openIndexedDbStore,
  toHex,
  type Hex,
  type TransactionalStore,
} from '../../src/web/browser.ts';

export interface HexWrite {
  readonly key: Hex;
  readonly value: Hex | undefined;
}

export interface HexRange {
  readonly from: Hex;
  readonly to: Hex;
  readonly limit?: number;
  readonly reverse?: boolean;
}

/** The value, or the code of the RelayError that it ended with. */
export type Outcome<T> = { readonly value: T } | { readonly code: string };

let store: TransactionalStore | undefined;
let held: IDBDatabase | undefined;

const storePage = {
  open: (name: string, patienceMs?: number) =>
    told(async () => {
      store = await openIndexedDbStore({ name, ...(patienceMs === undefined ? {} : { patienceMs }) });
    }),
  /** As `open`, until the time is over. */
  openFor: (name: string, ms: number) =>
    told(async () => {
      store = await openIndexedDbStore({ name, signal: AbortSignal.timeout(ms) });
    }),
  /** Opens the database without taking its lock. */
  hold: (name: string) =>
    new Promise<void>((resolve, reject) => {
      const opening = indexedDB.open(name);
      opening.onsuccess = () => {
        held = opening.result;
        resolve();
      };
      opening.onerror = () => {
        reject(opening.error ?? new Error('not opened'));
      };
    }),
  letGo: (): void => held?.close(),
  beginDelete(name: string): void {
    indexedDB.deleteDatabase(name);
  },
  get: (key: Hex) =>
    told(async () => {
      const value = await opened().get(fromHex(key));
      return value === undefined ? undefined : toHex(value);
    }),
  entries: ({ from, to, ...how }: HexRange) =>
    told(async () => {
      const entries = await opened().entries({ from: fromHex(from), to: fromHex(to), ...how });
      return entries.map(([key, value]) => [toHex(key), toHex(value)] as const);
    }),
  commit: (writes: readonly HexWrite[], expected: readonly HexWrite[]) =>
    told(() => opened().commit(writes.map(toBytes), expected.map(toBytes))),
  close: () => told(() => opened().close()),
  /** Appends numbers for as long as the page lives; each that is committed is told by the console. */
  async append(): Promise<void> {
    const found = await opened().entries({ from: Uint8Array.of(0x6e), to: Uint8Array.of(0x6f) });
    for (let n = found.length; ; n++) {
      const key = fromHex(`0x6e${n.toString(16).padStart(8, '0')}`);
      await opened().commit([{ key, value: Uint8Array.of(1) }]);
      console.log(`committed ${n}`);
    }
  },
  deleteDatabase: (name: string) =>
    new Promise<void>((resolve, reject) => {
      const deleting = indexedDB.deleteDatabase(name);
      deleting.onsuccess = () => {
        resolve();
      };
      deleting.onerror = () => {
        reject(deleting.error ?? new Error('not deleted'));
      };
    }),
  /** Makes a database of the name as another program would, with a value in it. */
  foreign: (name: string, version: number) =>
    new Promise<void>((resolve, reject) => {
      const opening = indexedDB.open(name, version);
      opening.onupgradeneeded = () => {
        opening.result.createObjectStore('theirs').put('value', 'key');
      };
      opening.onsuccess = () => {
        opening.result.close();
        resolve();
      };
      opening.onerror = () => {
        reject(opening.error ?? new Error('not made'));
      };
    }),
  /** What that program finds there. */
  foreignContent: (name: string) =>
    new Promise<{ version: number; stores: string[]; value: unknown }>((resolve, reject) => {
      const opening = indexedDB.open(name);
      opening.onsuccess = () => {
        const { result: database } = opening;
        const reading = database.transaction('theirs').objectStore('theirs').get('key');
        reading.onsuccess = () => {
          const { version, objectStoreNames } = database;
          database.close();
          resolve({ version, stores: [...objectStoreNames], value: reading.result });
        };
        reading.onerror = () => {
          reject(reading.error ?? new Error('not read'));
        };
      };
      opening.onerror = () => {
        reject(opening.error ?? new Error('not opened'));
      };
    }),
};

function opened(): TransactionalStore {
  if (store === undefined) throw new Error('open() comes first');
  return store;
}

function toBytes({ key, value }: HexWrite) {
  return { key: fromHex(key), value: value === undefined ? undefined : fromHex(value) };
}

async function told<T>(work: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { value: await work() };
  } catch (error) {
    if (!isRelayError(error)) throw error;
    return { code: error.code };
  }
}

declare global {
  var storePage: StorePage;
}
export type StorePage = typeof storePage;
globalThis.storePage = storePage;
