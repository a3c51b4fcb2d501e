import { statfsSync } from 'node:fs';
import type { Database, RootDatabase } from 'lmdb';
import type { RelayError } from '../errors/index.ts';
import { throwCommitCause } from './lmdb-environment.ts';

/** Bytes of the disk that adding leaves: removing needs some, as LMDB writes what it changes to a new place. */
const reserve = 2 ** 20;
const leastForRemoval = reserve / 8;
// Of a value with its key, and of what is counted with it.
const overhead = 256;

export interface DiskRoomOptions {
  /** Folder of the environment. */
  readonly path: string;
  readonly root: RootDatabase<Buffer, Buffer>;
  /** All other databases in it. */
  readonly named?: readonly Database<unknown, Buffer>[];
  /** Makes the error of who is refused. */
  readonly failed: (error: Error) => RelayError;
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

/**
 * Refuses what the disk has no room for before LMDB meets that: lmdb-js 3.5.6 writes the message of a write that failed
 * past the end of its memory, and the process may abort.
 */
export class DiskRoom {
  readonly #options: DiskRoomOptions;
  /** Bytes added by transactions that are not settled: the disk may not have counted them. */
  #pending = 0;
  #onDisk = 0;
  #inFile: number | undefined;

  constructor(options: DiskRoomOptions) {
    this.#options = options;
  }

  /** Runs a transaction, in which `action` may call the others. Throws why its commit failed. */
  async during(transaction: (action: () => void) => Promise<unknown>, action: () => void): Promise<void> {
    let added = 0;
    try {
      await transaction(() => {
        const before = this.#pending;
        this.#measure();
        try {
          action();
        } finally {
          added = this.#pending - before;
        }
      }).catch(throwCommitCause);
    } finally {
      this.#pending -= added;
    }
  }

  /** Takes room for a value. */
  add(bytes: number): void {
    const pending = this.#pending + bytes + overhead;
    if (this.isScarce(bytes) && !this.#fitsIntoFile(pending)) throw this.#full();
    this.#pending = pending;
  }

  /** Whether so much more would need the reserve, or a place in the file that is free again. */
  isScarce(bytes: number): boolean {
    return this.#onDisk - this.#pending - bytes - overhead < reserve;
  }

  /** Before what leaves no more in the store than there was. */
  remove(): void {
    if (this.#onDisk < leastForRemoval && this.#reusable() < leastForRemoval) throw this.#full();
  }

  #measure(): void {
    const { bavail, blocks, bsize } = statfsSync(this.#options.path);
    // A file system that does not tell.
    this.#onDisk = blocks === 0 ? Infinity : bavail * bsize;
    this.#inFile = undefined;
  }

  /** Free pages may be scattered, or not free for the next transaction yet: at once no more is added than the reserve. */
  #fitsIntoFile(pending: number): boolean {
    return (this.#pending === 0 || pending <= reserve) && this.#onDisk + this.#reusable() - pending >= reserve;
  }

  /** Bytes of the file that hold nothing any more. */
  #reusable(): number {
    return (this.#inFile ??= reusable(this.#options));
  }

  #full(): RelayError {
    return this.#options.failed(new Error('no space left on the disk but the reserve that removing needs'));
  }
}

function reusable({ root, named = [] }: DiskRoomOptions): number {
  const stats = statsOf(root);
  const used = [stats, stats.free, ...named.map(statsOf)].reduce((sum, tree) => sum + pagesOf(tree), 0);
  const meta = 2;
  return (stats.lastPageNumber + 1 - meta - used) * stats.pageSize;
}

function statsOf(database: Database<unknown, Buffer>): Stats {
  return database.getStats() as Stats; // not in its types
}

function pagesOf({ treeBranchPageCount, treeLeafPageCount, overflowPages }: Tree): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages;
}
