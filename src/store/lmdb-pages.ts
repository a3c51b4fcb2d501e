import type { Database, RootDatabase } from 'lmdb';

/** What a transaction changes, as far as it takes pages. */
export interface Change {
  /** Keys that are written. */
  readonly put: number;
  /** Keys that are removed. */
  readonly removed: number;
  /** Pages of what is written that is too long for a leaf. */
  readonly overflow: number;
  /** Such pages of what is removed or replaced. */
  readonly freed: number;
}

/** Pages of an environment. */
export interface Pages {
  readonly leaves: number;
  readonly branches: number;
  /** That hold nothing any more; which of them the next transaction may use, only LMDB knows. */
  readonly free: number;
}

interface Tree {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface Stats extends Tree {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly free: Tree;
}

export const noChange: Change = { put: 0, removed: 0, overflow: 0, freed: 0 };

// Of 64 GiB in trees of half-filled pages, with a page to spare.
const depth = 6;
// The path in the list of free pages, and what it grows by; what it holds already is written to pages that it has.
const ofFreeList = 8;
// Numbers of 8 bytes, in the record of what a transaction freed.
const freedInPage = 500;
const metaPages = 2;

export function sumOf(a: Change, b: Change): Change {
  return {
    put: a.put + b.put,
    removed: a.removed + b.removed,
    overflow: a.overflow + b.overflow,
    freed: a.freed + b.freed,
  };
}

/** Pages that a value has for itself: LMDB keeps two at least in a leaf. */
export function overflowOf(length: number, pageSize: number): number {
  const header = 16;
  return length < pageSize / 4 ? 0 : Math.ceil((header + length) / pageSize);
}

/**
 * Most pages that a transaction takes, whatever else is in the environment, or for what is there: it writes each page that it
 * changes to a new place. A key that is written changes its path, and may split each page of it; one that is removed changes
 * a sibling of each.
 */
export function mostPages({ put, removed, overflow, freed }: Change, there?: Pages): number {
  const paths = 2 * depth * (put + removed);
  const ofAll = there && Math.min(there.leaves, put + 2 * removed) + 2 * put + 2 * there.branches;
  return overflow + Math.ceil(freed / freedInPage) + Math.min(paths, ofAll ?? paths) + ofFreeList;
}

/** As they are in the transaction that is open. */
export function pagesOf(root: RootDatabase<Buffer, Buffer>, named: readonly Database<unknown, Buffer>[]): Pages {
  const { lastPageNumber, free, ...rootTree } = statsOf(root);
  const trees = [rootTree, ...named.map(statsOf)];
  const count = (of: (tree: Tree) => number): number => trees.reduce((sum, tree) => sum + of(tree), 0);
  const leaves = count((tree) => tree.treeLeafPageCount);
  const branches = count((tree) => tree.treeBranchPageCount);
  const used = leaves + branches + count((tree) => tree.overflowPages) + allOf(free);
  return { leaves, branches, free: Math.max(0, lastPageNumber + 1 - metaPages - used) };
}

export function pageSizeOf(root: RootDatabase<Buffer, Buffer>): number {
  const { pageSize } = statsOf(root);
  // To look at it began a snapshot, in which what others commit now would not be seen.
  root.resetReadTxn();
  return pageSize;
}

function statsOf(database: Database<unknown, Buffer>): Stats {
  return database.getStats() as Stats; // not in its types
}

function allOf({ treeBranchPageCount, treeLeafPageCount, overflowPages }: Tree): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages;
}
