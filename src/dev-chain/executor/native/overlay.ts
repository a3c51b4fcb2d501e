import type { Hex } from '../../../codec/hex.ts';
import { bytesToHex, hexToBytes } from '../../hex.ts';
import { compact } from '../../state/trie-encoding.ts';
import { Reader } from '../../../codec/reader.ts';
import type { StateReader, StorageDiff } from '../protocol.ts';
import { RuntimeTrap } from './trap.ts';

/** A SCALE list that grows by the item, as the events of a block do: put together when it is read. */
interface List {
  readonly count: number;
  /** Their encodings one after the other, hex without 0x. */
  readonly items: string;
}

type Written = Hex | List | null;

/** What a task has written so far, in transactions within one another, over a state that does not change. */
export class Overlay {
  readonly #state: StateReader;
  /** The innermost transaction is the last. */
  readonly #layers = [new Map<Hex, Written>()];

  constructor(state: StateReader) {
    this.#state = state;
  }

  get(key: Hex): Hex | undefined {
    const written = this.#written(key);
    if (written === undefined) return this.#state.get(key);
    return written === null ? undefined : textOf(written);
  }

  /** null removes. */
  set(key: Hex, value: Hex | null): void {
    this.#innermost.set(key, value);
  }

  /** To the SCALE list at the key. What is there and is no list gives way, as it does at a node. */
  append(key: Hex, item: Hex): void {
    const written = this.#written(key);
    const list = listOf(written === undefined ? this.#state.get(key) : written);
    this.#innermost.set(key, { count: list.count + 1, items: list.items + item.slice(2) });
  }

  /** The least key after this one. */
  nextKey(key: Hex): Hex | undefined {
    let present = this.#state.nextKey('0x', key);
    while (present !== undefined && this.#written(present) === null) present = this.#state.nextKey('0x', present);
    for (const layer of this.#layers)
      for (const candidate of layer.keys())
        if (candidate > key && (present === undefined || candidate < present) && this.#written(candidate) !== null)
          present = candidate;
    return present;
  }

  /**
   * Removes the keys that start with this, of those in the state at most `limit`. Gives how many of these it removed, and whether
   * all are gone.
   */
  clearPrefix(prefix: Hex, limit: number): { readonly removed: number; readonly isAll: boolean } {
    for (const layer of [...this.#layers])
      for (const key of layer.keys()) if (key.startsWith(prefix)) this.#innermost.set(key, null);
    let removed = 0;
    for (let key = this.#first(prefix); key !== undefined; key = this.#state.nextKey(prefix, key)) {
      if (removed === limit) return { removed, isAll: false };
      this.#innermost.set(key, null);
      removed += 1;
    }
    return { removed, isAll: true };
  }

  startTransaction(): void {
    this.#layers.push(new Map());
  }

  commit(): void {
    for (const [key, value] of this.#endTransaction()) this.#innermost.set(key, value);
  }

  rollBack(): void {
    this.#endTransaction();
  }

  /** All that was written, in transactions that have not ended too. */
  written(): StorageDiff {
    const all = new Map(this.#layers.flatMap((layer) => [...layer]));
    return Array.from(all, ([key, value]) => [key, value === null ? null : textOf(value)]);
  }

  get #innermost(): Map<Hex, Written> {
    const innermost = this.#layers.at(-1);
    if (innermost === undefined) throw new RuntimeTrap('it has no storage');
    return innermost;
  }

  #written(key: Hex): Written | undefined {
    for (let depth = this.#layers.length - 1; depth >= 0; depth -= 1) {
      const written = this.#layers[depth]?.get(key);
      if (written !== undefined) return written;
    }
    return undefined;
  }

  #first(prefix: Hex): Hex | undefined {
    return this.#state.get(prefix) === undefined ? this.#state.nextKey(prefix, prefix) : prefix;
  }

  #endTransaction(): Map<Hex, Written> {
    const ended = this.#layers.length > 1 ? this.#layers.pop() : undefined;
    if (ended === undefined) throw new RuntimeTrap('it ends a transaction that it did not begin');
    return ended;
  }
}

function textOf(written: Hex | List): Hex {
  if (typeof written === 'string') return written;
  return `${bytesToHex(compact(written.count))}${written.items}`;
}

function listOf(value: Written | undefined): List {
  if (typeof value !== 'string') return value ?? { count: 0, items: '' };
  try {
    const reader = new Reader(hexToBytes(value.slice(0, 2 + 2 * 4)), 'A list');
    const count = reader.compactLength();
    return { count, items: value.slice(2 + 2 * compact(count).length) };
  } catch {
    return { count: 0, items: '' };
  }
}
