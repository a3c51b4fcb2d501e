import { mkdir } from 'node:fs/promises';
import { open, type Database, type RootDatabase } from 'lmdb';
import { equalBytes } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import type { Entry, Expectation, KeyRange, TransactionalStore, Write } from './transactional-store.ts';

export interface LmdbStoreOptions {
  /** Folder; made where it is missing, mode 0700. */
  readonly path: string;
}

/** A store in LMDB: one folder, group commit, durable when `commit` resolves. Throws store-failed. */
export async function openLmdbStore({ path }: LmdbStoreOptions): Promise<TransactionalStore> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    const root = open<Buffer, Buffer>({ path, keyEncoding: 'binary', encoding: 'binary', noMemInit: false });
    return new LmdbStore(root, path);
  } catch (error) {
    throw asRelayError(error, 'store-failed', { path });
  }
}

class LmdbStore implements TransactionalStore {
  readonly #database: RootDatabase<Buffer, Buffer>;
  readonly #path: string;
  #closing: Promise<void> | undefined;

  constructor(database: RootDatabase<Buffer, Buffer>, path: string) {
    this.#database = database;
    this.#path = path;
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#using((database) => copy(database.get(Buffer.from(key))));
  }

  async entries({ from, to, limit, reverse = false }: KeyRange): Promise<Entry[]> {
    return this.#using((database) => {
      const range = database.getRange({
        ...(reverse
          ? { start: Buffer.from(to), exclusiveStart: true, end: Buffer.from(from), inclusiveEnd: true, reverse }
          : { start: Buffer.from(from), end: Buffer.from(to) }),
        ...(limit === undefined ? {} : { limit }),
      });
      return Array.from(range, ({ key, value }): Entry => [Uint8Array.from(key), Uint8Array.from(value)]);
    });
  }

  async commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    return this.#using(async (database) => {
      const isApplied = await database.transaction(() => {
        if (!expected.every((expectation) => holds(database, expectation))) return false;
        for (const { key, value } of writes)
          if (value === undefined) database.removeSync(Buffer.from(key));
          else database.putSync(Buffer.from(key), Buffer.from(value));
        return true;
      });
      await database.flushed;
      return isApplied;
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#database.close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #using<T>(work: (database: RootDatabase<Buffer, Buffer>) => T | Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new RelayError('store-closed');
    try {
      return await work(this.#database);
    } catch (error) {
      throw asRelayError(error, 'store-failed', { path: this.#path });
    }
  }
}

function holds(database: Database<Buffer, Buffer>, { key, value }: Expectation): boolean {
  const stored = database.get(Buffer.from(key));
  if (stored === undefined || value === undefined) return stored === value;
  return equalBytes(stored, value);
}

function copy(value: Buffer | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : Uint8Array.from(value);
}
