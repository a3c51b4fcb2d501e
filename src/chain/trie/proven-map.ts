import type { Hex } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';
import { inWindow } from '../storage/in-window.ts';
import type { KeyPage, StorageReader } from '../storage/storage-reader.ts';
import type { KnownMap } from './known-map.ts';
import { findSubtree } from './look-up.ts';
import { digitsOf, type ProofReader, type ProvenBlock, type Work } from './proof-reader.ts';
import { MapReading, readEntries, type RangeRead } from './map-reading.ts';
import type { ProofNodes } from './proof-nodes.ts';
import type { ChangedPart, Done, KeyRange, Missing } from './walk-map.ts';

/** Pages of keys that are read at once. Each is one proof, of some 2 000 keys. */
const pagesInFlight = 2;

/** Two maps whose keys are those of the same ids, hashed in the same way. */
export interface MapPair {
  /** Prefix of the keys, hex digits. */
  readonly first: string;
  readonly second: string;
}

/** What was read of two maps, which is all of them unless the block's state went away. */
export interface PairRead {
  readonly first: KnownMap;
  readonly second: KnownMap;
  readonly isComplete: boolean;
}

/** Entries of a range, in order. */
export type Entries = ChangedPart['entries'];

/**
 * Reads all entries of two maps, range by range. The node lists the keys of the first, page by page; the proof of a page
 * shows of both what it left out. Hands on in order what `join` makes of a range, and what was read where the node drops
 * the block's state half way.
 */
export async function readPair<T>(
  { proofs, storage }: { readonly proofs: ProofReader; readonly storage: StorageReader },
  block: ProvenBlock,
  { first, second }: MapPair,
  join: (first: Entries, second: Entries) => T,
  take: (joined: T) => void,
  signal?: AbortSignal,
): Promise<PairRead> {
  const readings = { first: new MapReading(first), second: new MapReading(second) };
  const read = async (range: Page) => {
    const work: Work<readonly [RangeRead, RangeRead]> = (nodes, root) => {
      const ofFirst = rangeOf(nodes, root, first, range);
      const ofSecond = rangeOf(nodes, root, second, range);
      if ('done' in ofFirst && 'done' in ofSecond) return { done: [ofFirst.done, ofSecond.done] };
      return { missing: [ofFirst, ofSecond].flatMap((part) => ('missing' in part ? part.missing : [])) };
    };
    // The way to where the range begins is visited too.
    const ends = [range.after, ...range.ends];
    const keys = [...ends.map((end) => first + end), ...ends.map((end) => second + end)];
    const [ofFirst, ofSecond] = await proofs.prove(block, keys, work, signal);
    const lie = lieIn(range.ends, ofFirst.entries, first);
    if (lie !== undefined) proofs.blame(range.url, block.hash, lie);
    return { range, ofFirst, ofSecond, joined: join(ofFirst.entries, ofSecond.entries) };
  };
  let upTo = '';
  try {
    const pages = pagesOf(storage.keyPages(`0x${first}`, block.hash, signal), first);
    for await (const { range, ofFirst, ofSecond, joined } of inWindow(pages, pagesInFlight, read)) {
      readings.first.add(ofFirst);
      readings.second.add(ofSecond);
      take(joined);
      ({ upTo } = range);
    }
  } catch (error) {
    if (!isRelayError(error, 'state-discarded')) throw error;
    const brokenOff = (prefix: string): string => (upTo === '' ? '' : prefix + upTo);
    return {
      first: readings.first.breakOff(brokenOff(first)),
      second: readings.second.breakOff(brokenOff(second)),
      isComplete: false,
    };
  }
  return { first: readings.first.finish(), second: readings.second.finish(), isComplete: true };
}

function rangeOf(
  nodes: ProofNodes,
  root: Uint8Array,
  prefix: string,
  { after, upTo }: KeyRange,
): Done<RangeRead> | Missing {
  const subtree = findSubtree(nodes, root, prefix);
  if (subtree === undefined) return { missing: [prefix] };
  const whole = (end: string): string => (end === '' ? '' : prefix + end);
  return readEntries(nodes, prefix, subtree.is, { after: whole(after), upTo: whole(upTo) });
}

/** A range of keys and those that a node says are in it, as what follows the prefix. */
interface Page extends KeyRange {
  readonly ends: readonly string[];
  /** Who says so. */
  readonly url: string;
}

/** Ranges without a gap between them, the last one without an end: what is listed shapes them, and is not believed. */
async function* pagesOf(listed: AsyncIterable<KeyPage>, prefix: string): AsyncGenerator<Page> {
  let after = '';
  let pending: Pick<Page, 'ends' | 'url'> = { ends: [], url: '' };
  for await (const { keys, url } of listed) {
    const upTo = pending.ends.at(-1) ?? after;
    const ends = keys.map((key) => digitsOf(key).slice(prefix.length)).filter((end) => end > upTo);
    if (ends.length === 0) continue;
    if (pending.ends.length > 0) yield { ...pending, after, upTo };
    after = upTo;
    pending = { ends: ends.sort(byOrder), url };
  }
  yield { ...pending, after, upTo: '' };
}

function byOrder(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/**
 * What is not true of a list of keys, ascending and without their prefix, by the entries that there are, ascending too. It may
 * end early: some list fewer at once than they are asked for.
 */
function lieIn(ends: readonly string[], entries: Entries, prefix: string): string | undefined {
  let at = 0;
  for (const end of ends) {
    const key = prefix + end;
    if (entries[at - 1]?.[0] === key) continue;
    const there = entries[at++]?.[0];
    if (there === key) continue;
    if (there !== undefined && there < key) return `it leaves the key ${there} out of its list`;
    return `it lists the key ${key}, which is not there`;
  }
  return undefined;
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
