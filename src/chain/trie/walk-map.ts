import type { ProofNodes } from './proof-nodes.ts';
import {
  bitCount,
  emptyMap,
  knownChild,
  sameHash,
  slotOf,
  smallSubtree,
  type KnownBranch,
  type KnownMap,
} from './known-map.ts';
import type { Subtree } from './look-up.ts';
import { endOfMerkleValue, merkleValueAt, type TrieNode } from './trie-node.ts';

/** A part of a map that is not what it was: these are all its entries now. */
export interface ChangedPart {
  /** Digits of the keys in it, the map's prefix left out. */
  readonly slot: string;
  /** How many entries were in it; undefined where nothing was known of it. */
  readonly before: number | undefined;
  /** Keys as hex digits, the map's prefix included. */
  readonly entries: readonly (readonly [key: string, value: Uint8Array])[];
}

export interface MapChanges {
  readonly parts: readonly ChangedPart[];
  readonly map: KnownMap;
}

export interface Done<T> {
  readonly done: T;
}

/** What the proof leaves out: keys (hex digits) whose proofs contain it. */
export interface Missing {
  readonly missing: readonly string[];
}

/** Keys to visit: those after `after` up to and with `upTo`; an empty `upTo` has no end. */
export interface KeyRange {
  readonly after: string;
  readonly upTo: string;
}

/**
 * What is different in a map from what was known of it, by following only the hashes that differ; or what the proof
 * lacks to tell. Pure, so that one who gets an answer with `missing` asks for more and walks again.
 *
 * `subtree`: where the map hangs now, undefined where it is empty. Throws bad-proof.
 */
export function findChanges(
  nodes: ProofNodes,
  prefix: string,
  subtree: Subtree | undefined,
  known: KnownMap,
): Done<MapChanges> | Missing {
  const walk = new MapWalk(nodes, prefix);
  // Who asks may have entries of another source.
  const before = known.unreadAfter === '' ? undefined : known.count;
  if (subtree === undefined) {
    const gone: ChangedPart[] = before === 0 ? [] : [{ slot: '', before, entries: [] }];
    return { done: { parts: gone, map: emptyMap } };
  }
  // A copy: it is kept, and the proof is not.
  const rootHash = walk.hashOf(subtree.merkleValue).slice();
  if (sameHash(rootHash, known.rootHash)) return { done: { parts: [], map: known } };
  const count = walk.compare('', subtree, { hash: known.rootHash, count: before }, known);
  if (walk.missing.length > 0) return { missing: walk.missing };
  return { done: { parts: walk.parts, map: { rootHash, count, branches: walk.branchesAfter(known) } } };
}

/** One way through a map, collecting what it passes and what the proof lacks. */
export class MapWalk {
  readonly parts: ChangedPart[] = [];
  readonly missing: string[] = [];
  /** Branches visited, by slot, with how many entries were seen below each child. */
  readonly built = new Map<string, KnownBranch>();
  readonly #nodes: ProofNodes;
  readonly #prefix: string;
  readonly #range: KeyRange | undefined;
  /** Counts of the branches that are being visited, by their depth: few branches are remembered. */
  readonly #counts: Uint32Array[] = [];

  constructor(nodes: ProofNodes, prefix: string, range?: KeyRange) {
    this.#nodes = nodes;
    this.#prefix = prefix;
    this.#range = range;
  }

  /** A Merkle value as 32 bytes, maybe within the proof: a short node, which stands for itself, by its hash. */
  hashOf(merkleValue: Uint8Array): Uint8Array {
    return merkleValue.length === 32 ? merkleValue : this.#nodes.hash.binary(merkleValue);
  }

  /** Collects what is different below a place; gives how many entries are there now. */
  compare(
    slot: string,
    { path, merkleValue }: Subtree,
    before: { readonly hash: Uint8Array | undefined; readonly count: number | undefined },
    known: KnownMap,
  ): number {
    if (sameHash(this.hashOf(merkleValue), before.hash)) return before.count ?? 0;
    const node = this.#node(path, merkleValue);
    if (node === undefined) return 0;
    const end = path + node.partial;
    const relative = end.slice(this.#prefix.length);
    const old = known.branches.get(slot);
    if (old?.end !== relative || !node.isBranch || node.hasValue) {
      const entries: [string, Uint8Array][] = [];
      const count = this.visit({ path, merkleValue }, entries);
      this.parts.push({ slot, before: before.count, entries });
      return count;
    }
    const children = node.children();
    const counts = new Uint32Array(16);
    for (let nibble = 0; nibble < 16; nibble++) {
      const child = children[nibble];
      const earlier = knownChild(old, nibble);
      const childSlot = slotOf(relative, nibble);
      if (child !== undefined) {
        const place = { path: slotOf(end, nibble), merkleValue: child };
        counts[nibble] = this.compare(childSlot, place, earlier ?? { hash: undefined, count: 0 }, known);
      } else if (earlier !== undefined) this.parts.push({ slot: childSlot, before: earlier.count, entries: [] });
    }
    return this.#build(slot, relative, node, counts);
  }

  /** Collects all entries below a place, within the range; gives how many. */
  visit({ path, merkleValue }: Subtree, entries: [string, Uint8Array][]): number {
    return this.#visit(path, merkleValue, 0, merkleValue.length, entries, this.#range === undefined, 0);
  }

  /** `isInside`: the range holds all that is below. */
  #visit(
    path: string,
    bytes: Uint8Array,
    start: number,
    stop: number,
    entries: [string, Uint8Array][],
    isInside: boolean,
    depth: number,
  ): number {
    const node = this.#nodes.nodeAt(bytes, start, stop)?.is;
    if (node === undefined) {
      this.missing.push(path);
      return 0;
    }
    const end = path + node.partial;
    let own = 0;
    if (node.hasValue && (isInside || this.#isInRange(end))) {
      const value = this.#nodes.valueOf(node);
      if (value === undefined) this.missing.push(end);
      else entries.push([end, value]);
      own = 1;
    }
    if (!node.isBranch) return own;
    const counts = (this.#counts[depth] ??= new Uint32Array(16)).fill(0);
    let below = 0;
    let from = node.childrenAt;
    for (let nibble = 0; nibble < 16; nibble++) {
      if (!node.hasChild(nibble)) continue;
      const child = merkleValueAt(node.bytes, from);
      const to = endOfMerkleValue(node.bytes, from);
      from = to;
      const childPath = slotOf(end, nibble);
      const isAllInside = isInside || this.#isAllInRange(childPath);
      if (!isAllInside && !this.#canBeInRange(childPath)) continue;
      const count = this.#visit(childPath, node.bytes, child, to, entries, isAllInside, depth + 1);
      counts[nibble] = count;
      below += count;
    }
    // What is not remembered anyway need not be built: four of five branches.
    if (!isInside || below > smallSubtree)
      this.#build(path.slice(this.#prefix.length), end.slice(this.#prefix.length), node, counts.slice());
    return own + below;
  }

  /** Branches to remember after a comparison: those that stand as they were, and those seen anew. */
  branchesAfter(known: KnownMap): Map<string, KnownBranch> {
    const branches = new Map(known.branches);
    for (const { slot, before } of this.parts)
      if (before !== undefined && before > smallSubtree)
        for (const old of underneath(known.branches, slot)) branches.delete(old);
    for (const slot of this.built.keys()) branches.delete(slot);
    for (const [slot, branch] of large(this.built)) branches.set(slot, branch);
    return branches;
  }

  /** Copies what is to be known of a branch: views would keep the whole proof. */
  #build(slot: string, end: string, node: TrieNode, counts: Uint32Array): number {
    const hashes = new Uint8Array(32 * bitCount(node.bitmap));
    let at = 0;
    node.eachChild((_, start, stop) => {
      hashes.set(this.hashOf(node.bytes.subarray(start, stop)), at);
      at += 32;
    });
    this.built.set(slot, { end, bitmap: node.bitmap, hashes, counts });
    return total(counts);
  }

  #node(path: string, merkleValue: Uint8Array) {
    const known = this.#nodes.node(merkleValue);
    if (known?.is === undefined) this.missing.push(path);
    return known?.is;
  }

  #isInRange(key: string): boolean {
    if (this.#range === undefined) return true;
    const { after, upTo } = this.#range;
    return key > after && (upTo === '' || key <= upTo);
  }

  /** Whether keys that begin with `path` are all in the range. */
  #isAllInRange(path: string): boolean {
    if (this.#range === undefined) return true;
    const { after, upTo } = this.#range;
    return path > after.slice(0, path.length) && (upTo === '' || path < upTo.slice(0, path.length));
  }

  /** Whether keys that begin with `path` can be in the range. */
  #canBeInRange(path: string): boolean {
    if (this.#range === undefined) return true;
    const { after, upTo } = this.#range;
    return path >= after.slice(0, path.length) && (upTo === '' || path <= upTo.slice(0, path.length));
  }
}

/** Those of the branches that are worth remembering. */
export function* large(built: ReadonlyMap<string, KnownBranch>): Iterable<[string, KnownBranch]> {
  for (const [slot, branch] of built) if (total(branch.counts) > smallSubtree) yield [slot, branch];
}

function* underneath(branches: ReadonlyMap<string, KnownBranch>, slot: string): Iterable<string> {
  for (const candidate of branches.keys()) if (candidate.startsWith(slot)) yield candidate;
}

function total(counts: Uint32Array): number {
  let sum = 0;
  for (const count of counts) sum += count;
  return sum;
}
