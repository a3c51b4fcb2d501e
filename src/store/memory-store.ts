import { compareBytes, equalBytes } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { checkKeys } from './keys.ts';
import type { Entry, Expectation, KeyRange, TransactionalStore, Write } from './transactional-store.ts';

/** A store that is gone with the process: for clients that keep nothing, and for tests of what uses a store. */
export function openMemoryStore(): TransactionalStore {
  return new MemoryStore();
}

class MemoryStore implements TransactionalStore {
  readonly #entries = new Map<string, Entry>();
  #isClosed = false;

  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    this.#check();
    return this.#find(key)?.slice();
  }

  async entries({ from, to, limit, reverse = false }: KeyRange): Promise<Entry[]> {
    this.#check();
    const sorted = [...this.#entries.values()]
      .filter(([key]) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0)
      .sort(([a], [b]) => (reverse ? compareBytes(b, a) : compareBytes(a, b)));
    return sorted.slice(0, limit).map(([key, value]) => [key.slice(), value.slice()]);
  }

  async commit(writes: readonly Write[], expected: readonly Expectation[] = []): Promise<boolean> {
    this.#check();
    checkKeys([...writes, ...expected]);
    if (!expected.every(({ key, value }) => same(this.#find(key), value))) return false;
    for (const { key, value } of writes)
      if (value === undefined) this.#entries.delete(nameOf(key));
      else this.#entries.set(nameOf(key), [new Uint8Array(key), new Uint8Array(value)]);
    return true;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #find(key: Uint8Array): Uint8Array | undefined {
    return this.#entries.get(nameOf(key))?.[1];
  }

  #check(): void {
    if (this.#isClosed) throw new RelayError('store-closed');
  }
}

function nameOf(key: Uint8Array): string {
  return String.fromCharCode(...key);
}

function same(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
