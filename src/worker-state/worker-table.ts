import { equalBytes, toHex, type Hex } from '../codec/index.ts';
import { ManyIndex } from './many-index.ts';
import type { VerifySignature } from './prove-records.ts';
import { resolveWorker, type ResolvedWorker } from './resolve-worker.ts';
import type { WorkerFacts } from './worker-facts.ts';
import type { EpochKey, WorkerEntry } from './worker-state.ts';

interface Row {
  readonly facts: WorkerFacts;
  /** Absent until somebody asks or the background gets there: verifying 50 000 records takes seconds. */
  resolved: ResolvedWorker | undefined;
}

const noKeys: readonly EpochKey[] = [];

/** WorkerState at one block. All writes are synchronous: nobody sees half of a block. */
export class WorkerTable {
  readonly #genesisHash: Hex;
  readonly #verify: VerifySignature;
  readonly #rows = new Map<Hex, Row>();
  /** Proven keys by worker, of rows now gone too. */
  readonly #seen = new Map<Hex, readonly EpochKey[]>();
  readonly #unresolved = new Set<Hex>();
  /** Of registration keys and proven keys; made when first asked for. */
  #byKey: ManyIndex<Hex> | undefined;
  #byUrl: ManyIndex<Hex> | undefined;

  constructor(genesisHash: Hex, verify: VerifySignature) {
    this.#genesisHash = genesisHash;
    this.#verify = verify;
  }

  get size(): number {
    return this.#rows.size;
  }

  ids(): IterableIterator<Hex> {
    return this.#rows.keys();
  }

  /** Ids of workers with records that nobody has verified yet. */
  get unresolved(): ReadonlySet<Hex> {
    return this.#unresolved;
  }

  facts(id: Hex): WorkerFacts | undefined {
    return this.#rows.get(id)?.facts;
  }

  /** Proven keys of a worker, registered or not. */
  seen(id: Hex): readonly EpochKey[] {
    return this.#seen.get(id) ?? noKeys;
  }

  /** Verifies the records where that was not done yet. */
  resolved(id: Hex): ResolvedWorker | undefined {
    const row = this.#rows.get(id);
    if (row === undefined) return undefined;
    row.resolved ??= this.#resolveRow(row);
    return row.resolved;
  }

  /** What `facts` would be as a row, without making them one. */
  preview(facts: WorkerFacts): ResolvedWorker {
    return resolveWorker(facts, this.seen(facts.identity), this.#genesisHash, this.#verify);
  }

  /** Puts a row, with its records verified or yet to be. */
  set(facts: WorkerFacts, resolved?: ResolvedWorker): void {
    const { identity } = facts;
    this.#unindex(identity);
    const row: Row = { facts, resolved };
    this.#rows.set(identity, row);
    this.#index(row);
    if (resolved === undefined) {
      if (facts.records.length > 0) this.#unresolved.add(identity);
    } else this.#accept(resolved);
  }

  delete(id: Hex): void {
    this.#unindex(id);
    this.#rows.delete(id);
    this.#unresolved.delete(id);
  }

  /** Proven keys from an earlier run. */
  remember(id: Hex, keys: readonly EpochKey[]): void {
    this.#seen.set(id, keys);
  }

  byEcdhKey(ecdhKey: Uint8Array): WorkerEntry | undefined {
    const key = toHex(ecdhKey);
    // A row that is not verified yet may hold the key in a record: only those that name it are verified now.
    for (const id of this.#unresolved)
      if (this.#rows.get(id)?.facts.records.some((record) => record.includes(key)) === true) this.resolved(id);
    let found: WorkerEntry | undefined;
    for (const id of this.#keyIndex().get(key)) {
      const entry = this.resolved(id)?.entry;
      const match = entry?.epochs.find((candidate) => equalBytes(candidate.ecdhKey, ecdhKey));
      // Anybody may register with another's key, but only its owner proves it.
      if (match?.proven === true) return entry;
      if (match !== undefined) found ??= entry;
    }
    return found;
  }

  byUrl(url: string): WorkerEntry[] {
    return [...this.#urlIndex().get(url)].map((id) => this.resolved(id)?.entry).filter((entry) => entry !== undefined);
  }

  #resolveRow(row: Row): ResolvedWorker {
    const resolved = this.preview(row.facts);
    this.#accept(resolved);
    return resolved;
  }

  #accept({ entry }: ResolvedWorker): void {
    const { identity, epochs } = entry;
    this.#unresolved.delete(identity);
    const proven = epochs.filter((key) => key.proven);
    if (proven.length > 0) this.#seen.set(identity, proven);
    for (const { ecdhKey } of proven) this.#byKey?.add(toHex(ecdhKey), identity);
  }

  #index({ facts, resolved }: Row): void {
    const { identity, registered, urls } = facts;
    this.#byKey?.add(toHex(registered), identity);
    for (const { ecdhKey } of resolved?.entry.epochs ?? this.seen(identity)) this.#byKey?.add(toHex(ecdhKey), identity);
    for (const url of urls) this.#byUrl?.add(url, identity);
  }

  /** Keys stay: who had a key is asked for too; `byEcdhKey` checks what it finds. */
  #unindex(id: Hex): void {
    const row = this.#rows.get(id);
    for (const url of row?.facts.urls ?? []) this.#byUrl?.remove(url, id);
    if (row !== undefined) this.#byKey?.remove(toHex(row.facts.registered), id);
  }

  #keyIndex(): ManyIndex<Hex> {
    if (this.#byKey === undefined) {
      this.#byKey = new ManyIndex();
      for (const row of this.#rows.values()) this.#index(row);
    }
    return this.#byKey;
  }

  #urlIndex(): ManyIndex<Hex> {
    if (this.#byUrl === undefined) {
      this.#byUrl = new ManyIndex();
      for (const { facts } of this.#rows.values()) for (const url of facts.urls) this.#byUrl.add(url, facts.identity);
    }
    return this.#byUrl;
  }
}
