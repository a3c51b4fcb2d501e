import { slotOf, withChildren, type KnownBranch, type KnownMap } from './known-map.ts';
import type { Subtree } from './look-up.ts';
import type { ProofNodes } from './proof-nodes.ts';
import { large, MapWalk, type ChangedPart, type Done, type KeyRange, type Missing } from './walk-map.ts';

/** The entries of a range of keys, and the branches seen on the way. */
export interface RangeRead {
  readonly entries: ChangedPart['entries'];
  readonly rootHash: Uint8Array | undefined;
  readonly built: ReadonlyMap<string, KnownBranch>;
}

/**
 * All entries in a range of keys: what nobody listed is found too, since the branches name all that hangs under them.
 * Throws bad-proof.
 */
export function readEntries(
  nodes: ProofNodes,
  prefix: string,
  subtree: Subtree | undefined,
  range: KeyRange,
): Done<RangeRead> | Missing {
  if (subtree === undefined) return { done: { entries: [], rootHash: undefined, built: new Map() } };
  const walk = new MapWalk(nodes, prefix, range);
  const entries: [string, Uint8Array][] = [];
  walk.visit(subtree, entries);
  if (walk.missing.length > 0) return { missing: walk.missing };
  return { done: { entries, rootHash: walk.hashOf(subtree.merkleValue).slice(), built: walk.built } };
}

/** What is known of a map while it is read range by range, in order. */
export class MapReading {
  readonly #prefix: string;
  readonly #built = new Map<string, KnownBranch>();
  #root: Uint8Array | undefined;
  #count = 0;

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  add({ entries, rootHash, built }: RangeRead): void {
    this.#root = rootHash;
    this.#count += entries.length;
    for (const [slot, branch] of built) {
      const before = this.#built.get(slot);
      if (before === undefined) this.#built.set(slot, branch);
      else branch.counts.forEach((more, nibble) => (before.counts[nibble] = (before.counts[nibble] ?? 0) + more));
    }
  }

  /** Once all of it was read. */
  finish(): KnownMap {
    return { rootHash: this.#root, count: this.#count, branches: new Map(large(this.#built)) };
  }

  /**
   * Where the reading broke off after the key `upTo` ('': before the first): what lies beyond counts as not there yet, so
   * that a comparison with a later state reads it.
   */
  breakOff(upTo: string): KnownMap {
    const isRead = (path: string): boolean => path < upTo.slice(0, path.length);
    const read = new Map<string, KnownBranch>();
    for (const [slot, branch] of this.#built)
      read.set(
        slot,
        withChildren(branch, (nibble) => isRead(this.#prefix + slotOf(branch.end, nibble))),
      );
    return { rootHash: undefined, count: this.#count, branches: new Map(large(read)), unreadAfter: upTo };
  }
}
