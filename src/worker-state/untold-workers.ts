import { idOf, isPlain, type WorkerRow } from '../chain/index.ts';
import { fromHex, type Hex } from '../codec/index.ts';
import { RowPages } from './rows/row-pages.ts';

/** Workers of a snapshot whose records are to be verified, and of whose faults nobody was told yet. */
export class UntoldWorkers {
  #pages: RowPages;
  readonly #rows: Iterator<WorkerRow, undefined>;
  /** All up to this one were taken. */
  #taken: Hex = '0x';
  /** Those above it that were told of with a block. */
  readonly #told = new Set<Hex>();

  constructor(pages: RowPages) {
    this.#pages = pages;
    this.#rows = notPlain(pages);
  }

  /** The next ones, in the order of their ids: none where there are no more. They count as told. */
  take(most: number): Hex[] {
    const ids: Hex[] = [];
    while (ids.length < most) {
      const row: WorkerRow | undefined = this.#rows.next().value;
      if (row === undefined) {
        this.#end();
        break;
      }
      this.#taken = idOf(row);
      if (!this.#told.delete(this.#taken)) ids.push(this.#taken);
    }
    return ids;
  }

  /** A worker is told of otherwise. Whether it was one of these. */
  delete(id: Hex): boolean {
    if (id <= this.#taken || this.#told.has(id)) return false;
    const row = this.#pages.find(fromHex(id));
    if (row === undefined || isPlain(row)) return false;
    this.#told.add(id);
    return true;
  }

  /** The rows of the snapshot are not to be held for this. */
  #end(): void {
    this.#pages = RowPages.empty;
    this.#told.clear();
  }
}

function* notPlain({ pages }: RowPages): Generator<WorkerRow, undefined> {
  for (const { page } of pages) yield* page.notPlain();
}
