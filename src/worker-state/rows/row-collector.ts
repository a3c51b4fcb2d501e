import type { WorkerRows } from '../../chain/index.ts';
import { RowPage } from './row-page.ts';
import { pageBytes, RowPages, type PlacedPage } from './row-pages.ts';

const idLength = 32;
const none = new Uint8Array(0);
/** Of an id that are compared as one number. */
const prefixBits = 48;

/** Takes workers in any order, and puts them in order once all are there. */
export class RowCollector {
  readonly #parts: WorkerRows[] = [];
  #count = 0;

  /** Keeps the rows. */
  readonly add = (rows: WorkerRows): void => {
    this.#parts.push(rows);
    this.#count += rows.ends.length;
  };

  /** Of a worker that was named twice the last counts. */
  finish(): RowPages {
    const rows = new PlacedRows(this.#parts, this.#count);
    const order = rows.order();
    const pages: PlacedPage[] = [];
    for (let first = 0; first < order.length;) {
      let bytes = 0;
      let next = first;
      while (next < order.length && bytes < pageBytes) bytes += rows.lengthOf(order[next++] ?? 0);
      const page = RowPage.filled(rows, order.subarray(first, next), bytes);
      // The first page also takes what is below it.
      pages.push({ from: first === 0 ? new Uint8Array(idLength) : rows.idOf(order[first] ?? 0).slice(), page });
      first = next;
    }
    return new RowPages(pages);
  }
}

/** Rows of many parts by their place, the order in which they came. */
class PlacedRows {
  readonly #parts: readonly WorkerRows[];
  readonly #partOf: Uint32Array;
  readonly #starts: Uint32Array;
  readonly #ends: Uint32Array;
  #count = 0;

  constructor(parts: readonly WorkerRows[], most: number) {
    this.#parts = parts;
    this.#partOf = new Uint32Array(most);
    this.#starts = new Uint32Array(most);
    this.#ends = new Uint32Array(most);
    parts.forEach(({ ends }, part) => {
      let start = 0;
      for (const end of ends) {
        if (end > start) {
          const place = this.#count++;
          this.#partOf[place] = part;
          this.#starts[place] = start;
          this.#ends[place] = end;
        }
        start = end;
      }
    });
  }

  lengthOf(place: number): number {
    return (this.#ends[place] ?? 0) - (this.#starts[place] ?? 0);
  }

  readonly rowOf = (place: number): Uint8Array => this.#bytesOf(place).subarray(this.#starts[place], this.#ends[place]);

  idOf(place: number): Uint8Array {
    return this.rowOf(place).subarray(0, idLength);
  }

  /**
   * Places in the order of their ids, of those with one id the last. Numbers that hold the beginning of an id and the place
   * sort several times as fast as ids; what begins alike is sorted again.
   */
  order(): Uint32Array {
    const count = this.#count;
    const placeBits = Math.max(1, Math.ceil(Math.log2(count)));
    const places = 2 ** placeBits;
    const cutOff = 2 ** (prefixBits - Math.min(prefixBits, 53 - placeBits));
    const numbers = new Float64Array(count);
    for (let place = 0; place < count; place++) {
      const prefix = prefixAt(this.#bytesOf(place), this.#starts[place] ?? 0);
      numbers[place] = Math.floor(prefix / cutOff) * places + place;
    }
    numbers.sort();
    const order = new Uint32Array(count);
    let isDoubtful = false;
    let before = -1;
    for (let i = 0; i < count; i++) {
      const number = numbers[i] ?? 0;
      const beginning = Math.floor(number / places);
      order[i] = number - beginning * places;
      isDoubtful ||= beginning === before;
      before = beginning;
    }
    if (!isDoubtful) return order;
    order.sort((a, b) => this.#compareIds(a, b) || a - b);
    return order.filter((place, i) => i + 1 === count || this.#compareIds(place, order[i + 1] ?? 0) !== 0);
  }

  #bytesOf(place: number): Uint8Array {
    return this.#parts[this.#partOf[place] ?? 0]?.bytes ?? none;
  }

  #compareIds(a: number, b: number): number {
    const [one, other] = [this.#bytesOf(a), this.#bytesOf(b)];
    const [start, otherStart] = [this.#starts[a] ?? 0, this.#starts[b] ?? 0];
    for (let i = 0; i < idLength; i++) {
      const difference = (one[start + i] ?? 0) - (other[otherStart + i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }
}

/** The first 48 bits of the id that begins there. */
function prefixAt(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  const middle = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
  const low = ((bytes[at + 4] ?? 0) << 8) | (bytes[at + 5] ?? 0);
  return (high * 2 ** 16 + middle) * 2 ** 16 + low;
}
