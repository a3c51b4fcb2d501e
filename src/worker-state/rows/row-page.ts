import { compareBytes } from '../../codec/index.ts';
import { idBytesOf, minRowLength, type WorkerRow } from './worker-row.ts';

const u32 = 4;

/**
 * Rows in the order of their ids: how many (u32), where each ends (u32 each, from the first row on), the rows. A page is
 * kept and stored as these bytes.
 */
export class RowPage {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  static of(rows: readonly WorkerRow[]): RowPage {
    const page = new RowPage(new Uint8Array(rows.reduce((sum, row) => sum + u32 + row.length, u32)));
    page.#view.setUint32(0, rows.length, true);
    const start = u32 * (1 + rows.length);
    let end = 0;
    rows.forEach((row, i) => {
      page.bytes.set(row, start + end);
      end += row.length;
      page.#view.setUint32(u32 * (1 + i), end, true);
    });
    return page;
  }

  /** Whether these are the bytes of a page; every other call takes that for granted. */
  static isSound(bytes: Uint8Array): boolean {
    if (bytes.length < u32) return false;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const length = view.getUint32(0, true);
    const start = u32 * (1 + length);
    if (start > bytes.length) return false;
    let end = 0;
    for (let index = 1; index <= length; index++) {
      const next = view.getUint32(u32 * index, true);
      if (next < end + minRowLength) return false;
      end = next;
    }
    return start + end === bytes.length;
  }

  get length(): number {
    return this.#view.getUint32(0, true);
  }

  row(index: number): WorkerRow {
    const start = u32 * (1 + this.length);
    const from = index === 0 ? 0 : this.#view.getUint32(u32 * index, true);
    return this.bytes.subarray(start + from, start + this.#view.getUint32(u32 * (1 + index), true));
  }

  find(id: Uint8Array): WorkerRow | undefined {
    const index = firstNotBefore(this.length, (i) => compareBytes(idBytesOf(this.row(i)), id));
    const row = index < this.length ? this.row(index) : undefined;
    return row !== undefined && compareBytes(idBytesOf(row), id) === 0 ? row : undefined;
  }

  *rows(): Generator<WorkerRow> {
    const { length } = this;
    for (let index = 0; index < length; index++) yield this.row(index);
  }
}

/** Binary search: the first place where `compare` is not negative. */
export function firstNotBefore(length: number, compare: (index: number) => number): number {
  let low = 0;
  let high = length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compare(middle) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
