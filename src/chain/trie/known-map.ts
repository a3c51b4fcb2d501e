import { concatBytes, equalBytes } from '../../codec/index.ts';
import { digitOf } from './trie-node.ts';

/** Subtrees of at most so many entries are known by their hash alone: what changes in one is read again as a whole. */
export const smallSubtree = 16;

/** A branch of a map's subtree as it was last seen: enough to tell which of its children changed. */
export interface KnownBranch {
  /** Digits after the map's prefix that lead to where it branches. */
  readonly end: string;
  /** One bit for each child there is. */
  readonly bitmap: number;
  /** 32 bytes for each child there is, in order. */
  readonly hashes: Uint8Array;
  /** Entries under each of the 16 children. */
  readonly counts: Uint32Array;
}

/** What is remembered of a map in storage to find later changes: the hashes of its upper branches. */
export interface KnownMap {
  /** Of the node under which the whole map hangs; undefined where the map is empty. */
  readonly rootHash: Uint8Array | undefined;
  readonly count: number;
  /** By the digits after the map's prefix that lead to the branch, its own partial key left out. */
  readonly branches: ReadonlyMap<string, KnownBranch>;
  /** Where its reading broke off: the key (hex digits) after which nothing was read; '' before the first. */
  readonly unreadAfter?: string;
}

export const emptyMap: KnownMap = { rootHash: undefined, count: 0, branches: new Map() };

/** Where a branch remembers what it knows of a child; undefined where it had none. */
export function knownChild(branch: KnownBranch, nibble: number): { hash: Uint8Array; count: number } | undefined {
  if (((branch.bitmap >> nibble) & 1) === 0) return undefined;
  const before = branch.bitmap & ((1 << nibble) - 1);
  const at = 32 * bitCount(before);
  return { hash: branch.hashes.subarray(at, at + 32), count: branch.counts[nibble] ?? 0 };
}

/** A branch with only those of its children that are to be kept. */
export function withChildren(branch: KnownBranch, isKept: (nibble: number) => boolean): KnownBranch {
  const kept: Uint8Array[] = [];
  let bitmap = 0;
  for (let nibble = 0; nibble < 16; nibble++) {
    const child = isKept(nibble) ? knownChild(branch, nibble) : undefined;
    if (child === undefined) continue;
    kept.push(child.hash);
    bitmap |= 1 << nibble;
  }
  return { ...branch, bitmap, hashes: concatBytes(...kept) };
}

export function sameHash(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}

/** The place of a child: the digits that lead to it. */
export function slotOf(end: string, nibble: number): string {
  return end + digitOf(nibble);
}

export function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count += 1;
  return count;
}
