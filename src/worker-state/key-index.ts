import { toHex, type Hex } from '../codec/index.ts';
import { endpointsOf, isPlain, workerFields, type WorkerRow } from '../chain/index.ts';
import { ManyIndex } from './many-index.ts';
import type { EpochKey } from './worker-state.ts';

/** Of an ECDH record (protocol.md §7). */
const namedKey = /0x[0-9a-f]{64}/;

/** Workers by the EcdhKeys that they registered with, name in a record that is maybe false, or proved and are known by. */
export class KeyIndex {
  readonly #ids = new ManyIndex<Hex>();

  /** Keys that lead to a worker. */
  get size(): number {
    return this.#ids.size;
  }

  get(ecdhKey: Uint8Array): Hex[] {
    return [...this.#ids.get(toHex(ecdhKey))];
  }

  addRow(id: Hex, row: WorkerRow, proven: readonly EpochKey[]): void {
    for (const key of keysOf(row)) this.#ids.add(key, id);
    for (const { ecdhKey } of proven) this.#ids.add(toHex(ecdhKey), id);
  }

  /** Those that it proved stay: who had a key is asked for too. */
  removeRow(id: Hex, row: WorkerRow, proven: readonly EpochKey[]): void {
    this.#removeAll(id, keysOf(row), proven);
  }

  replaceProven(id: Hex, row: WorkerRow | undefined, before: readonly EpochKey[], now: readonly EpochKey[]): void {
    const past = before.map(({ ecdhKey }) => toHex(ecdhKey));
    this.#removeAll(id, past, now);
    if (row !== undefined) this.addRow(id, row, now);
  }

  #removeAll(id: Hex, keys: readonly Hex[], but: readonly EpochKey[]): void {
    const kept = new Set(but.map(({ ecdhKey }) => toHex(ecdhKey)));
    for (const key of keys) if (!kept.has(key)) this.#ids.remove(key, id);
  }
}

function keysOf(row: WorkerRow): Hex[] {
  const keys = [toHex(workerFields(row).ecdhKey)];
  if (isPlain(row)) return keys;
  for (const record of endpointsOf(row).records) {
    const key = namedKey.exec(record)?.[0];
    if (key !== undefined) keys.push(key as Hex);
  }
  return keys;
}
