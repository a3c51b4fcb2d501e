import { compareBytes, fromHex, type Hex } from '../../codec/index.ts';
import { RowPage } from './row-page.ts';
import { idBytesOf, type WorkerRow } from '../../chain/index.ts';

/** A page is closed by the row with which it reaches this many bytes. */
export const pageBytes = 16_384;

/** A page and the lowest id that belongs there, which stays while the page is there. */
export interface PlacedPage {
  readonly from: Uint8Array;
  readonly page: RowPage;
}

export interface Merged {
  readonly pages: RowPages;
  readonly written: readonly PlacedPage[];
  /** `from` of the pages that are no more. */
  readonly removed: readonly Uint8Array[];
}

/** Rows of all workers in the order of their ids, cut into pages: a B+ tree's leaves. Never changed, only replaced. */
export class RowPages {
  static readonly empty = new RowPages([]);
  readonly pages: readonly PlacedPage[];
  readonly size: number;

  /** In order, without gaps in what belongs where: the first page also takes what is below it. */
  constructor(pages: readonly PlacedPage[]) {
    this.pages = pages;
    this.size = pages.reduce((sum, { page }) => sum + page.length, 0);
  }

  find(id: Uint8Array): WorkerRow | undefined {
    return this.pages[this.#indexOf(id)]?.page.find(id);
  }

  *rows(): Generator<WorkerRow> {
    for (const { page } of this.pages) yield* page.rows();
  }

  /** With some rows put, or taken out where they are undefined; only the pages that they belong to are made anew. */
  merge(changes: ReadonlyMap<Hex, WorkerRow | undefined>): Merged {
    const sorted = Array.from(changes, ([id, row]) => ({
      id: fromHex(id),
      row,
    }));
    sorted.sort((a, b) => compareBytes(a.id, b.id));
    const byPage = new Map<number, typeof sorted>();
    for (const change of sorted) {
      const index = this.#indexOf(change.id);
      const others = byPage.get(index);
      if (others === undefined) byPage.set(index, [change]);
      else others.push(change);
    }
    const written: PlacedPage[] = [];
    const removed: Uint8Array[] = [];
    const pages: PlacedPage[] = [];
    const replace = (old: PlacedPage | undefined, index: number): void => {
      const mine = byPage.get(index);
      if (mine === undefined) {
        if (old !== undefined) pages.push(old);
        return;
      }
      const replaced = [...cut(withChanges(old?.page.rows() ?? [], mine), old?.from ?? new Uint8Array(32))];
      written.push(...replaced);
      pages.push(...replaced);
      if (replaced.length === 0 && old !== undefined) removed.push(old.from);
    };
    if (this.pages.length === 0) replace(undefined, 0);
    this.pages.forEach(replace);
    return { pages: new RowPages(pages), written, removed };
  }

  /** Of the page where an id belongs. */
  #indexOf(id: Uint8Array): number {
    const { pages } = this;
    let low = 0;
    let high = pages.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareBytes(pages[middle]?.from ?? id, id) > 0) high = middle;
      else low = middle + 1;
    }
    return Math.max(0, low - 1);
  }
}

function* cut(rows: Iterable<WorkerRow>, first: Uint8Array): Generator<PlacedPage> {
  let from = first;
  let pending: WorkerRow[] = [];
  let bytes = 0;
  for (const row of rows) {
    if (bytes >= pageBytes) {
      yield { from, page: RowPage.of(pending) };
      from = idBytesOf(row).slice();
      pending = [];
      bytes = 0;
    }
    pending.push(row);
    bytes += row.length;
  }
  if (pending.length > 0) yield { from, page: RowPage.of(pending) };
}

/** Both in order; what changed stands for what was. */
function* withChanges(
  rows: Iterable<WorkerRow>,
  changes: readonly {
    readonly id: Uint8Array;
    readonly row: WorkerRow | undefined;
  }[],
): Generator<WorkerRow> {
  let next = 0;
  for (const row of rows) {
    let isReplaced = false;
    for (let change = changes[next]; change !== undefined; change = changes[next]) {
      const order = compareBytes(change.id, idBytesOf(row));
      if (order > 0) break;
      if (change.row !== undefined) yield change.row;
      isReplaced = order === 0;
      next += 1;
      if (isReplaced) break;
    }
    if (!isReplaced) yield row;
  }
  for (const { row } of changes.slice(next)) if (row !== undefined) yield row;
}
