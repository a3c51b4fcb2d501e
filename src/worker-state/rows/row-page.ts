import { isPlainAt, endpointsAt, type WorkerRow } from '../../chain/index.ts';

const u32 = 4;
const none = new Uint8Array(0);

/** Where rows come from. */
export interface RowSource {
  readonly rowOf: (place: number) => WorkerRow;
}

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
    const bytes = rows.reduce((sum, { length }) => sum + length, 0);
    return RowPage.filled({ rowOf: (place) => rows[place] ?? none }, Uint32Array.from(rows.keys()), bytes);
  }

  /** Of the rows in these places, `bytes` together. */
  static filled({ rowOf }: RowSource, places: Uint32Array, bytes: number): RowPage {
    const { length } = places;
    const start = u32 * (1 + length);
    const page = new RowPage(new Uint8Array(start + bytes));
    page.#view.setUint32(0, length, true);
    let end = 0;
    for (let i = 0; i < length; i++) {
      const row = rowOf(places[i] ?? 0);
      page.bytes.set(row, start + end);
      end += row.length;
      page.#view.setUint32(u32 * (1 + i), end, true);
    }
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
      if (next < end + endpointsAt) return false;
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

  /** Rows that are not plain: few, and no view is made of the others. */
  *notPlain(): Generator<WorkerRow> {
    const { length } = this;
    let start = u32 * (1 + length);
    const first = start;
    for (let index = 0; index < length; index++) {
      if (!isPlainAt(this.bytes, start)) yield this.row(index);
      start = first + this.#view.getUint32(u32 * (1 + index), true);
    }
  }

  /** Compares in place: views of all that are looked at would take longer than the rest of a look-up. */
  find(id: Uint8Array): WorkerRow | undefined {
    const { length } = this;
    const first = u32 * (1 + length);
    let low = 0;
    let high = length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const start = middle === 0 ? first : first + this.#view.getUint32(u32 * middle, true);
      const order = compareAt(this.bytes, start, id);
      if (order === 0) return this.row(middle);
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return undefined;
  }

  *rows(): Generator<WorkerRow> {
    const { length } = this;
    for (let index = 0; index < length; index++) yield this.row(index);
  }
}

/** As compareBytes, of the bytes from a place on that are as many as those of the id. */
function compareAt(bytes: Uint8Array, start: number, id: Uint8Array): number {
  const { length } = id;
  for (let i = 0; i < length; i++) {
    const difference = (bytes[start + i] ?? 0) - (id[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
