import type { Hex } from '../codec/index.ts';
import { emptyKeyPage, keysIn, withKeys, type KeyPage, type ProvenKey } from './key-page.ts';

/** Every first byte of an id has a page. */
const pages = 256;

/** Proven keys of all workers that were seen, as pages: an object for each key takes several times the memory. */
export class ProvenKeys {
  readonly #pages = new Array<KeyPage>(pages).fill(emptyKeyPage);

  of(id: Uint8Array): readonly ProvenKey[] {
    return keysIn(this.#pages[id[0] ?? 0] ?? emptyKeyPage, id);
  }

  /** Puts these in place of those that the workers had. */
  put(keys: Iterable<readonly [id: Hex, keys: readonly ProvenKey[]]>): void {
    for (const [number, part] of byPage(keys)) this.load(number, withKeys(this.#pages[number] ?? emptyKeyPage, part));
  }

  /** In place of all that was known of the workers of a page. */
  load(number: number, page: KeyPage): void {
    this.#pages[number] = page;
  }
}

/** Those that belong to one page together. */
export function byPage<T>(
  entries: Iterable<readonly [id: Hex, value: T]>,
): ReadonlyMap<number, (readonly [id: Hex, value: T])[]> {
  const parts = new Map<number, (readonly [id: Hex, value: T])[]>();
  for (const entry of entries) {
    const number = pageOf(entry[0]);
    const others = parts.get(number);
    if (others === undefined) parts.set(number, [entry]);
    else others.push(entry);
  }
  return parts;
}

/** The number of the page where a worker belongs. */
export function pageOf(id: Hex): number {
  return Number.parseInt(id.slice(2, 4), 16);
}
