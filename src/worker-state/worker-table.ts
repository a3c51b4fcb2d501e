import { equalBytes, fromHex, toHex, type Hex } from '../codec/index.ts';
import type { KeyPage, ProvenKey } from './key-page.ts';
import { KeyIndex } from './key-index.ts';
import { ManyIndex } from './many-index.ts';
import type { VerifyRecords } from './prove-records.ts';
import { ProvenKeys } from './proven-keys.ts';
import { resolveWorkers, type ResolvedWorker } from './resolve-worker.ts';
import { RowPages, type PlacedPage } from './rows/row-pages.ts';
import { endpointsOf, idBytesOf, idOf, type WorkerRow } from '../chain/index.ts';
import { factsOf } from './worker-facts.ts';
import type { WorkerEntry } from './worker-state.ts';

/** Resolved workers that are kept; any other is resolved again when it is looked at. */
const maxResolved = 4_096;
/** Rows that changed since they were last put into pages. */
const maxChanged = 2_048;
const isId = /^0x[0-9a-f]{64}$/;

/** Pages that are not what they were when they were last taken. */
export interface UnsavedPages {
  /** Whether these are all there are. */
  readonly isAll: boolean;
  readonly written: readonly PlacedPage[];
  /** `from` of pages that are no more. */
  readonly removed: readonly Uint8Array[];
}

/** WorkerState at one block. All writes are synchronous: nobody sees half of a block. */
export class WorkerTable {
  readonly #genesisHash: Hex;
  readonly #verify: VerifyRecords;
  #pages = RowPages.empty;
  /** Rows that are not in the pages as they are now; undefined: deleted. */
  #changed = new Map<Hex, WorkerRow | undefined>();
  #size = 0;
  /** By the hex of their `from`; undefined: removed. */
  readonly #unsaved = new Map<Hex, PlacedPage | undefined>();
  #isAllUnsaved = false;
  /** Of rows as they are now. */
  readonly #resolved = new Map<Hex, ResolvedWorker>();
  /** Of rows now gone too. */
  readonly #seen = new ProvenKeys();
  /** Made when first asked for. */
  #byKey: KeyIndex | undefined;
  #byUrl: ManyIndex<Hex> | undefined;

  constructor(genesisHash: Hex, verify: VerifyRecords) {
    this.#genesisHash = genesisHash;
    this.#verify = verify;
  }

  get size(): number {
    return this.#size;
  }

  *ids(): Generator<Hex, undefined> {
    for (const row of this.rows()) yield idOf(row);
  }

  /** As they are when it begins, whatever is written meanwhile. */
  *rows(): Generator<WorkerRow> {
    yield* this.pages.rows();
  }

  /** All rows as they are now, whatever is written later. */
  get pages(): RowPages {
    this.#compact();
    return this.#pages;
  }

  row(id: Hex): WorkerRow | undefined {
    if (this.#changed.has(id)) return this.#changed.get(id);
    return isId.test(id) ? this.#pages.find(fromHex(id)) : undefined;
  }

  /** Proven keys of a worker, registered or not. */
  seen(id: Hex): readonly ProvenKey[] {
    return this.#seen.of(fromHex(id));
  }

  /** Verifies the records where that was not done yet. */
  resolved(id: Hex): ResolvedWorker | undefined {
    const row = this.row(id);
    if (row === undefined) return undefined;
    const known = this.#resolved.get(id);
    if (known !== undefined) return known;
    const [resolved] = this.preview([row]);
    if (resolved !== undefined) this.#accept([resolved]);
    return resolved;
  }

  /** Verifies the records of several together, where that was not done yet. */
  resolveAll(ids: readonly Hex[]): void {
    const rows = ids.filter((id) => !this.#resolved.has(id)).map((id) => this.row(id));
    this.#accept(this.preview(rows.filter((row) => row !== undefined)));
  }

  /** As {@link resolved}, of a row that stands or stood in the table. */
  resolvedRow(row: WorkerRow): ResolvedWorker | undefined {
    const id = idOf(row);
    return this.#isNow(id, row) ? this.resolved(id) : this.preview([row])[0];
  }

  /** What they would be as rows of the table, without making them so. */
  preview(rows: readonly WorkerRow[]): ResolvedWorker[] {
    const workers = rows.map((row) => {
      const facts = factsOf(row);
      return { facts, seen: this.#seen.of(idBytesOf(row)) };
    });
    return resolveWorkers(workers, this.#genesisHash, this.#verify);
  }

  /** Puts all rows in place of those that there were, their records yet to be verified. */
  load(pages: RowPages, isSaved = false): void {
    this.#pages = pages;
    this.#changed.clear();
    this.#size = pages.size;
    this.#unsaved.clear();
    this.#isAllUnsaved = !isSaved;
    this.#resolved.clear();
    this.#byKey = undefined;
    this.#byUrl = undefined;
  }

  /** Puts a row, with its records verified or yet to be. */
  set(row: WorkerRow, resolved?: ResolvedWorker): void {
    const id = idOf(row);
    this.#remove(id);
    this.#size += 1;
    this.#put(id, row);
    this.#byKey?.addRow(id, row, this.seen(id));
    if (this.#byUrl !== undefined) indexUrls(this.#byUrl, id, row);
    if (resolved !== undefined) this.#accept([resolved]);
  }

  delete(id: Hex): void {
    if (this.#remove(id)) this.#put(id, undefined);
  }

  /** A page of proven keys from an earlier run. */
  remember(number: number, keys: KeyPage): void {
    this.#seen.load(number, keys);
  }

  /** What a store lacks of the rows as they are now. */
  takeUnsaved(): UnsavedPages {
    this.#compact();
    const all = this.#isAllUnsaved;
    const changed = [...this.#unsaved];
    this.#unsaved.clear();
    this.#isAllUnsaved = false;
    if (all) return { isAll: true, written: this.#pages.pages, removed: [] };
    return {
      isAll: false,
      written: changed.map(([, page]) => page).filter((page) => page !== undefined),
      removed: changed.filter(([, page]) => page === undefined).map(([from]) => fromHex(from)),
    };
  }

  /** Where what was taken did not get into the store. */
  saveAllAgain(): void {
    this.#isAllUnsaved = true;
  }

  byEcdhKey(ecdhKey: Uint8Array): WorkerEntry | undefined {
    if (this.#byKey === undefined) {
      this.#byKey = new KeyIndex();
      for (const row of this.rows()) this.#byKey.addRow(idOf(row), row, this.seen(idOf(row)));
    }
    let found: WorkerEntry | undefined;
    // Records of a row are verified when somebody looks: here of those that name the key.
    for (const id of this.#byKey.get(ecdhKey)) {
      const entry = this.resolved(id)?.entry;
      const match = entry?.epochs.find((candidate) => equalBytes(candidate.ecdhKey, ecdhKey));
      // Anybody may register with another's key, but only its owner proves it.
      if (match?.proven === true) return entry;
      if (match !== undefined) found ??= entry;
    }
    return found;
  }

  byUrl(url: string): WorkerEntry[] {
    if (this.#byUrl === undefined) {
      this.#byUrl = new ManyIndex();
      for (const row of this.rows()) indexUrls(this.#byUrl, idOf(row), row);
    }
    return [...this.#byUrl.get(url)].map((id) => this.resolved(id)?.entry).filter((entry) => entry !== undefined);
  }

  #put(id: Hex, row: WorkerRow | undefined): void {
    this.#changed.set(id, row);
    if (this.#changed.size >= maxChanged) this.#compact();
  }

  /** Whether there was such a row. */
  #remove(id: Hex): boolean {
    const row = this.row(id);
    if (row === undefined) return false;
    this.#size -= 1;
    this.#resolved.delete(id);
    this.#byKey?.removeRow(id, row, this.seen(id));
    if (this.#byUrl !== undefined) for (const url of endpointsOf(row).urls) this.#byUrl.remove(url, id);
    return true;
  }

  #isNow(id: Hex, row: WorkerRow): boolean {
    const now = this.row(id);
    return now !== undefined && equalBytes(now, row);
  }

  #accept(resolved: readonly ResolvedWorker[]): void {
    const proven: [Hex, readonly ProvenKey[]][] = [];
    for (const worker of resolved) {
      const { identity: id } = worker.entry;
      if (this.#resolved.size >= maxResolved) this.#forgetOldest();
      this.#resolved.set(id, worker);
      if (!worker.isNews) continue;
      this.#byKey?.replaceProven(id, this.row(id), this.seen(id), worker.proven);
      proven.push([id, worker.proven]);
    }
    if (proven.length > 0) this.#seen.put(proven);
  }

  #forgetOldest(): void {
    const [oldest] = this.#resolved.keys();
    if (oldest !== undefined) this.#resolved.delete(oldest);
  }

  #compact(): void {
    if (this.#changed.size === 0) return;
    const { pages, written, removed } = this.#pages.merge(this.#changed);
    this.#pages = pages;
    this.#changed = new Map();
    for (const page of written) this.#unsaved.set(toHex(page.from), page);
    for (const from of removed) this.#unsaved.set(toHex(from), undefined);
  }
}

function indexUrls(index: ManyIndex<Hex>, id: Hex, row: WorkerRow): void {
  for (const url of endpointsOf(row).urls) index.add(url, id);
}
