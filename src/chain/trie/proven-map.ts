import type { Hex } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';
import { inWindow } from '../storage/in-window.ts';
import type { StorageReader } from '../storage/storage-reader.ts';
import type { KnownMap } from './known-map.ts';
import { findSubtree } from './look-up.ts';
import { digitsOf, type ProofReader, type ProvenBlock, type Work } from './proof-reader.ts';
import { MapReading, readEntries, type RangeRead } from './map-reading.ts';
import type { ChangedPart, KeyRange } from './walk-map.ts';

/** Pages of keys that are read at once; each is one proof. */
const pagesInFlight = 4;

/** What was read of a map, which is all of it unless the block's state went away. */
export interface MapRead {
  readonly map: KnownMap;
  readonly isComplete: boolean;
}

/**
 * Reads all entries of a map. The node lists the keys, page by page; the proof of each page shows that it left none
 * out, or what it left out. Hands on what was read where the node drops the block's state half way.
 */
export async function readMap(
  { proofs, storage }: { readonly proofs: ProofReader; readonly storage: StorageReader },
  block: ProvenBlock,
  prefix: string,
  onEntry: (key: string, value: Uint8Array) => void,
  signal?: AbortSignal,
): Promise<MapRead> {
  const reading = new MapReading(prefix);
  const read = async (page: Page): Promise<Page & { readonly result: RangeRead }> => {
    const work: Work<RangeRead> = (nodes, root) => {
      const known = findSubtree(nodes, root, prefix);
      return known === undefined ? { missing: [prefix] } : readEntries(nodes, prefix, known.is, page);
    };
    // The way to where the range begins is visited too.
    const keys = page.after === '' ? page.keys : [page.after, ...page.keys];
    return { ...page, result: await proofs.prove(block, keys, work, signal) };
  };
  let upTo = '';
  try {
    const pages = pagesOf(storage.keyPages(`0x${prefix}`, block.hash, signal), prefix);
    for await (const page of inWindow(pages, pagesInFlight, read)) {
      reading.add(page.result);
      for (const [key, value] of page.result.entries) onEntry(key, value);
      ({ upTo } = page);
    }
  } catch (error) {
    if (!isRelayError(error, 'state-discarded')) throw error;
    return { map: reading.breakOff(upTo), isComplete: false };
  }
  return { map: reading.finish(), isComplete: true };
}

/** A range of keys and those that a node says are in it. */
interface Page extends KeyRange {
  readonly keys: readonly string[];
}

/** Ranges without a gap between them, the last one without an end: what is listed shapes them, and is not believed. */
async function* pagesOf(listed: AsyncIterable<readonly Hex[]>, prefix: string): AsyncGenerator<Page> {
  let after = '';
  let pending: readonly string[] = [];
  for await (const page of listed) {
    const upTo = pending.at(-1) ?? after;
    const keys = page.map(digitsOf).filter((key) => key.startsWith(prefix) && key > upTo);
    if (keys.length === 0) continue;
    if (pending.length > 0) yield { keys: pending, after, upTo };
    after = upTo;
    pending = keys;
  }
  yield { keys: [prefix, ...pending], after, upTo: '' };
}

/** Ids that were in a map's changed parts and are no more. */
export function goneFrom(
  parts: readonly ChangedPart[],
  known: { readonly has: (id: Hex) => boolean; readonly ids: () => Iterable<Hex> },
  idOf: (key: string) => Hex,
  digitsAfterPrefix: (id: Hex) => string,
): Hex[] {
  const doubtful = new Map<string, ReadonlySet<Hex>>();
  let longest = 0;
  for (const { slot, before, entries } of parts) {
    const present = entries.map(([key]) => idOf(key));
    if (present.filter((id) => known.has(id)).length === before) continue;
    doubtful.set(slot, new Set(present));
    longest = Math.max(longest, slot.length);
  }
  if (doubtful.size === 0) return [];
  const gone: Hex[] = [];
  for (const id of known.ids()) {
    const digits = digitsAfterPrefix(id);
    for (let length = 0; length <= longest; length++) {
      const present = doubtful.get(digits.slice(0, length));
      if (present !== undefined && !present.has(id) && known.has(id)) gone.push(id);
    }
  }
  return gone;
}
