import type { RawWorker } from '../../chain/index.ts';
import { pageBytes, RowPages, type PlacedPage } from './row-pages.ts';
import { RowPage } from './row-page.ts';
import { rowLength, writeRow } from './worker-row.ts';

const chunkBytes = 2 ** 18;
const idLength = 32;

/**
 * Takes workers in any order, and puts them in order once all are there. Rows stand one behind the other in large chunks:
 * an object for each would take longer to make than its bytes to copy, twice.
 */
export class RowCollector {
  readonly #chunks: Uint8Array[] = [];
  /** Of each row: its chunk, where it begins there, its length, and the first 48 bits of its id. */
  readonly #chunkOf: number[] = [];
  readonly #starts: number[] = [];
  readonly #lengths: number[] = [];
  readonly #prefixes: number[] = [];
  #used = chunkBytes;

  readonly add = (worker: RawWorker): void => {
    const length = rowLength(worker);
    let chunk = this.#chunks[this.#chunks.length - 1];
    if (chunk === undefined || this.#used + length > chunk.length) {
      chunk = new Uint8Array(Math.max(chunkBytes, length));
      this.#chunks.push(chunk);
      this.#used = 0;
    }
    writeRow(chunk, this.#used, worker);
    this.#chunkOf.push(this.#chunks.length - 1);
    this.#starts.push(this.#used);
    this.#lengths.push(length);
    this.#prefixes.push(prefixOf(worker.identity));
    this.#used += length;
  };

  /** Of a worker that was named twice the last counts. */
  finish(): RowPages {
    const order = this.#order();
    const pages: PlacedPage[] = [];
    for (let first = 0; first < order.length;) {
      let bytes = 0;
      const places: number[] = [];
      let next = first;
      for (; next < order.length && bytes < pageBytes; next++) {
        const place = order[next] ?? 0;
        // Of several with one id the last added comes last.
        if (next + 1 < order.length && this.#isSameId(place, order[next + 1] ?? 0)) continue;
        places.push(place);
        bytes += this.#lengths[place] ?? 0;
      }
      if (places.length > 0)
        pages.push({
          from: this.#from(pages.length, places[0] ?? 0),
          page: this.#page(places, bytes),
        });
      first = next;
    }
    return new RowPages(pages);
  }

  /** The first page also takes what is below it. */
  #from(page: number, place: number): Uint8Array {
    return page === 0 ? new Uint8Array(idLength) : this.#id(place).slice();
  }

  #page(places: readonly number[], bytes: number): RowPage {
    return RowPage.filled(
      places.map((place) => this.#lengths[place] ?? 0),
      bytes,
      (target, at, index) => {
        const place = places[index] ?? 0;
        const start = this.#starts[place] ?? 0;
        const chunk = this.#chunks[this.#chunkOf[place] ?? 0];
        if (chunk !== undefined) target.set(chunk.subarray(start, start + (this.#lengths[place] ?? 0)), at);
      },
    );
  }

  #id(place: number): Uint8Array {
    const start = this.#starts[place] ?? 0;
    return (this.#chunks[this.#chunkOf[place] ?? 0] ?? new Uint8Array(0)).subarray(start, start + idLength);
  }

  #isSameId(a: number, b: number): boolean {
    return this.#prefixes[a] === this.#prefixes[b] && this.#compareIds(a, b) === 0;
  }

  #compareIds(a: number, b: number): number {
    const [one, other] = [this.#id(a), this.#id(b)];
    for (let i = 0; i < idLength; i++) {
      const difference = (one[i] ?? 0) - (other[i] ?? 0);
      if (difference !== 0) return difference;
    }
    return 0;
  }

  /**
   * Places of the rows in the order of their ids. Numbers that hold the beginning of an id and the place sort several times
   * as fast as ids; what begins alike is sorted again.
   */
  #order(): Uint32Array {
    const count = this.#prefixes.length;
    const placeBits = Math.max(1, Math.ceil(Math.log2(count)));
    const places = 2 ** placeBits;
    const cutOff = 2 ** (48 - Math.min(48, 53 - placeBits));
    const numbers = new Float64Array(count);
    for (let place = 0; place < count; place++)
      numbers[place] = Math.floor((this.#prefixes[place] ?? 0) / cutOff) * places + place;
    numbers.sort();
    const order = new Uint32Array(count);
    const prefixAt = (i: number): number => Math.floor((numbers[i] ?? -1) / places);
    for (let i = 0; i < count; i++) order[i] = (numbers[i] ?? 0) % places;
    for (let start = 0; start < count;) {
      let end = start + 1;
      while (end < count && prefixAt(end) === prefixAt(start)) end += 1;
      if (end - start > 1) order.subarray(start, end).sort((a, b) => this.#compareIds(a, b) || a - b);
      start = end;
    }
    return order;
  }
}

/** The first 48 bits of an id. */
function prefixOf(id: Uint8Array): number {
  const low = (((id[2] ?? 0) << 24) | ((id[3] ?? 0) << 16) | ((id[4] ?? 0) << 8) | (id[5] ?? 0)) >>> 0;
  return (((id[0] ?? 0) << 8) | (id[1] ?? 0)) * 2 ** 32 + low;
}
