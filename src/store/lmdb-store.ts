import { open, type Database, type RootDatabase } from 'lmdb';
import { equalBytes } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { DiskRoom, refuseNewOnFullDisk } from './disk-room.ts';
import { makeFolder } from './folder.ts';
import { refuseUnusableData } from './lmdb-environment.ts';
import { GroupCommit } from './group-commit.ts';
import { checkKeys, cutBound, isKey } from './keys.ts';
import type { Entry, Expectation, KeyRange, TransactionalStore, Write } from './transactional-store.ts';

export interface LmdbStoreOptions {
  /** Folder; made where it is missing, mode 0700. */
  readonly path: string;
}

/** A store in LMDB: one folder, group commit, durable when `commit` resolves. Throws store-failed. */
export async function openLmdbStore({ path }: LmdbStoreOptions): Promise<TransactionalStore> {
  try {
    await makeFolder(path, 0o700);
    await refuseUnusableData(path);
    await refuseNewOnFullDisk(path);
    const root = open<Buffer, Buffer>({
      path,
      keyEncoding: 'binary',
      encoding: 'binary',
      // A commit is then one fdatasync that its promise waits for; `flushed` never comes after one that failed.
      overlappingSync: false,
      // Batching by event turn makes promises of its own, which nobody awaits where a commit fails.
      eventTurnBatching: false,
    });
    return new LmdbStore(root, path);
  } catch (error) {
    throw asRelayError(error, 'store-failed', { path });
  }
}

class LmdbStore implements TransactionalStore {
  readonly #database: RootDatabase<Buffer, Buffer>;
  readonly #path: string;
  readonly #room: DiskRoom;
  readonly #running = new Set<Promise<unknown>>();
  readonly #commits: GroupCommit;
  #closing: Promise<void> | undefined;

  constructor(database: RootDatabase<Buffer, Buffer>, path: string) {
    this.#database = database;
    this.#path = path;
    const failed = (error: unknown): RelayError => asRelayError(error, 'store-failed', { path });
    this.#room = new DiskRoom({ path, root: database, failed });
    this.#commits = new GroupCommit((action) => this.#room.during((begun) => database.transaction(begun), action), {
      failed,
    });
  }

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#using((database) => (isKey(key) ? copy(database.get(asBuffer(key))) : undefined));
  }

  async entries({ from, to, limit, reverse = false }: KeyRange): Promise<Entry[]> {
    return this.#using((database) => {
      const [lower, upper] = [Buffer.from(cutBound(from)), Buffer.from(cutBound(to))];
      if (upper.length === 0) return []; // LMDB reads it as no bound
      const range = database.getRange({
        ...(reverse
          ? { start: upper, exclusiveStart: true, end: lower, inclusiveEnd: true, reverse }
          : { start: lower, end: upper }),
        ...(limit === undefined ? {} : { limit }),
      });
      return Array.from(range, ({ key, value }): Entry => [own(key), own(value)]);
    });
  }

  async commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    return this.#using(async (database) => {
      checkKeys(writes);
      checkKeys(expected);
      return this.#commits.run(() => {
        for (const expectation of expected) if (!holds(database, expectation)) return false;
        this.#takeRoom(database, writes);
        for (const { key, value } of writes)
          if (value === undefined) database.removeSync(asBuffer(key));
          else database.putSync(asBuffer(key), asBuffer(value));
        return true;
      });
    });
  }

  close(): Promise<void> {
    this.#closing ??= Promise.allSettled(this.#running).then(() => this.#database.close());
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #takeRoom(database: Database<Buffer, Buffer>, writes: readonly Write[]): void {
    if (writes.length === 0) return;
    const room = this.#room;
    let [put, overflow, bytes] = [0, 0, 0];
    for (const { key, value } of writes) {
      if (value === undefined) continue;
      put += 1;
      overflow += room.overflow(value.length);
      bytes += key.length + value.length;
    }
    const change = { put, removed: writes.length - put, overflow, freed: 0 };
    // Most often there is room, and what is stored need not be looked at.
    if (room.hasPlenty(change)) {
      room.take(change, 'more');
      return;
    }
    const stored = this.#storedOf(database, writes);
    const outcome = bytes > stored.bytes ? 'more' : overflow > 0 ? 'no more' : 'less';
    room.take({ ...change, freed: stored.overflow }, outcome);
  }

  /** What the writes replace or remove. */
  #storedOf(database: Database<Buffer, Buffer>, writes: readonly Write[]): { bytes: number; overflow: number } {
    const found = { bytes: 0, overflow: 0 };
    for (const { key } of writes) {
      const stored = database.get(asBuffer(key));
      if (stored === undefined) continue;
      found.bytes += key.length + stored.length;
      found.overflow += this.#room.overflow(stored.length);
    }
    return found;
  }

  async #using<T>(work: (database: RootDatabase<Buffer, Buffer>) => T | Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new RelayError('store-closed');
    const running = (async () => work(this.#database))();
    this.#running.add(running);
    try {
      return await running;
    } catch (error) {
      throw asRelayError(error, 'store-failed', { path: this.#path });
    } finally {
      this.#running.delete(running);
    }
  }
}

function holds(database: Database<Buffer, Buffer>, { key, value }: Expectation): boolean {
  const stored = database.get(asBuffer(key));
  if (stored === undefined || value === undefined) return stored === value;
  return equalBytes(stored, value);
}

/** The same memory. */
function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length);
}

function copy(value: Buffer | undefined): Uint8Array | undefined {
  return value === undefined ? undefined : own(value);
}

/** Bytes whose memory nothing else is in: what the library gives is a copy already, for which it may use a Buffer's pool. */
function own(value: Buffer): Uint8Array {
  const { buffer, length } = value;
  return buffer.byteLength === length ? new Uint8Array(buffer) : new Uint8Array(value);
}
