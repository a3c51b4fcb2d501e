import { boundEndpoints } from '../storage/endpoints.ts';

const none = new Uint8Array(0);

/**
 * Lists of endpoints by their keys, which come in ascending order. Looked for in the same order, as two maps with one
 * hasher are read, each is found at once: a hash map of 50 000 keys takes several times as long.
 */
export class SortedLists {
  readonly #keys: string[] = [];
  readonly #lists: Uint8Array[] = [];
  #next = 0;

  readonly add = (key: string, value: Uint8Array): void => {
    this.#keys.push(key);
    this.#lists.push(boundEndpoints(value));
  };

  /** Empty where there is none. */
  find(key: string): Uint8Array {
    if (!this.#isAt(key)) this.#next = Math.min(this.#next + 1, this.#keys.length);
    if (!this.#isAt(key)) this.#next = this.#firstNotBefore(key);
    return this.#keys[this.#next] === key ? (this.#lists[this.#next] ?? none) : none;
  }

  /** Whether the key, or what would follow it, is next. */
  #isAt(key: string): boolean {
    return (this.#keys[this.#next - 1] ?? '') < key && key <= (this.#keys[this.#next] ?? key);
  }

  #firstNotBefore(key: string): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] ?? key) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
