import { equalBytes, fromHex, Reader, toHex, Writer, type Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import { rangeOf, storeKey } from '../store/keys.ts';
import type { TransactionalStore, Write } from '../store/transactional-store.ts';
import type { ChangeSource, SourceMemory } from './change-source.ts';
import { RowPage } from './rows/row-page.ts';
import { RowPages } from './rows/row-pages.ts';
import type { At } from './worker-state.ts';
import type { UnsavedPages } from './worker-table.ts';

const pagesPrefix = 'worker-state/pages/';
const headPrefix = 'worker-state/head/';
const memoryPrefix = 'worker-state/memory/';
const version = 4;
const writerLength = 16;
const idLength = 32;
/** Pages read in one transaction. */
const pagesAtOnce = 256;

/** WorkerState as an earlier run left it. */
export interface StoredState extends SourceMemory {
  readonly at: At;
  readonly pages: RowPages;
}

/**
 * WorkerState as of one block and what its source of changes needs to go on from there, written together. Of a block without
 * a change that is its number and hash: what the source needs, a megabyte with 50 000 workers, has an entry of its own.
 */
export class StateStore {
  readonly #store: TransactionalStore;
  readonly #genesis: Uint8Array;
  readonly #headKey: Uint8Array;
  readonly #memoryKey: Uint8Array;
  /** Of this run: who finds another's mark does not add pages to its. */
  readonly #writer = crypto.getRandomValues(new Uint8Array(writerLength));
  #head: Uint8Array | undefined;
  /** `remembered` of the source whose memory the store has. */
  #remembered: object | undefined;

  constructor(store: TransactionalStore, genesisHash: Hex) {
    this.#store = store;
    this.#genesis = fromHex(genesisHash);
    this.#headKey = storeKey(headPrefix, this.#genesis);
    this.#memoryKey = storeKey(memoryPrefix, this.#genesis);
  }

  /** undefined where there is none, of another version, or while another process writes it. */
  async load(): Promise<StoredState | undefined> {
    const head = await this.#store.get(this.#headKey);
    if (head?.[0] !== version) return undefined;
    const memory = await this.#store.get(this.#memoryKey);
    const pages: RowPages['pages'][number][] = [];
    const { to, ...range } = rangeOf(pagesPrefix, this.#genesis);
    for (let from = range.from; ;) {
      const entries = await this.#store.entries({ from, to, limit: pagesAtOnce });
      for (const [key, value] of entries) {
        if (!RowPage.isSound(value)) return undefined;
        pages.push({ from: key.slice(-idLength), page: new RowPage(value) });
      }
      const last = entries.at(-1);
      if (last === undefined || entries.length < pagesAtOnce) break;
      from = storeKey(last[0], Uint8Array.of(0));
    }
    const now = await this.#store.get(this.#headKey);
    if (memory === undefined || now === undefined || !equalBytes(now, head)) return undefined;
    this.#head = head;
    try {
      const reader = new Reader(head.slice(1 + writerLength), 'The stored WorkerState', true);
      const at = { block: reader.u32(), hash: toHex(reader.fixed(idLength)) };
      const strategy = reader.u8() === 1 ? 'proofs' : 'hints';
      reader.end();
      return { at, strategy, memory, pages: new RowPages(pages) };
    } catch (error) {
      if (!isRelayError(error)) throw error;
      return undefined;
    }
  }

  /** False where another process wrote meanwhile: then nothing was written. Throws store-failed. */
  async save(at: At, source: ChangeSource, { isAll, written, removed }: UnsavedPages): Promise<boolean> {
    const writes: Write[] = [];
    if (isAll) {
      const { from, to } = rangeOf(pagesPrefix, this.#genesis);
      for (const [key] of await this.#store.entries({ from, to })) writes.push({ key, value: undefined });
    }
    for (const from of removed) writes.push({ key: this.#pageKey(from), value: undefined });
    for (const { from, page } of written) writes.push({ key: this.#pageKey(from), value: page.bytes });
    const writer = new Writer().u8(version).raw(this.#writer).u32(at.block).raw(fromHex(at.hash));
    const head = writer.u8(source.strategy === 'proofs' ? 1 : 0).finish();
    writes.push({ key: this.#headKey, value: head });
    const { remembered } = source;
    if (isAll || remembered === undefined || remembered !== this.#remembered)
      writes.push({ key: this.#memoryKey, value: source.memory() });
    const expected = isAll ? [] : [{ key: this.#headKey, value: this.#head }];
    if (!(await this.#store.commit(writes, expected))) return false;
    this.#head = head;
    this.#remembered = remembered;
    return true;
  }

  #pageKey(from: Uint8Array): Uint8Array {
    return storeKey(pagesPrefix, this.#genesis, from);
  }
}
