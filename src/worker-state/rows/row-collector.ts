import type { RawWorker } from '../../chain/index.ts';
import { RowPages } from './row-pages.ts';
import { rowLength, writeRow, type WorkerRow } from './worker-row.ts';

const chunkBytes = 2 ** 18;

/** Takes workers in any order, and puts them in order once all are there. */
export class RowCollector {
  readonly #rows: WorkerRow[] = [];
  #chunk = new Uint8Array(0);
  #used = 0;

  readonly add = (worker: RawWorker): void => {
    const length = rowLength(worker);
    if (this.#used + length > this.#chunk.length) {
      this.#chunk = new Uint8Array(Math.max(chunkBytes, length));
      this.#used = 0;
    }
    writeRow(this.#chunk, this.#used, worker);
    this.#rows.push(this.#chunk.subarray(this.#used, (this.#used += length)));
  };

  /** Of a worker that was named twice the last counts. */
  finish(): RowPages {
    return RowPages.of(inOrder(this.#rows, orderOf(this.#rows)));
  }
}

/**
 * Places of the rows in the order of their ids. Numbers that hold the beginning of an id and the place sort several times
 * as fast as ids; what begins alike is sorted again.
 */
function orderOf(rows: readonly WorkerRow[]): Uint32Array {
  const placeBits = Math.max(1, Math.ceil(Math.log2(rows.length)));
  const places = 2 ** placeBits;
  const prefixes = 2 ** Math.min(48, 53 - placeBits);
  const numbers = new Float64Array(rows.length);
  rows.forEach((row, place) => {
    const prefix = Math.floor(prefixOf(row) / (2 ** 48 / prefixes));
    numbers[place] = prefix * places + place;
  });
  numbers.sort();
  const order = Uint32Array.from(numbers, (number) => number % places);
  const prefixAt = (i: number): number => Math.floor((numbers[i] ?? -1) / places);
  for (let start = 0; start < order.length;) {
    let end = start + 1;
    while (end < order.length && prefixAt(end) === prefixAt(start)) end += 1;
    if (end - start > 1) order.subarray(start, end).sort((a, b) => compareIds(rows[a], rows[b]) || a - b);
    start = end;
  }
  return order;
}

function* inOrder(rows: readonly WorkerRow[], order: Uint32Array): Generator<WorkerRow> {
  for (let i = 0; i < order.length; i++) {
    const row = rows[order[i] ?? 0];
    if (row !== undefined && compareIds(row, rows[order[i + 1] ?? -1]) !== 0) yield row;
  }
}

/** The first 48 bits of the id. */
function prefixOf(row: WorkerRow): number {
  const byte = (at: number): number => row[at] ?? 0;
  const low = ((byte(2) << 24) | (byte(3) << 16) | (byte(4) << 8) | byte(5)) >>> 0;
  return ((byte(0) << 8) | byte(1)) * 2 ** 32 + low;
}

function compareIds(a: WorkerRow | undefined, b: WorkerRow | undefined): number {
  if (a === undefined || b === undefined) return 1;
  for (let i = 0; i < 32; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
