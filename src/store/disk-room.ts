import { statfsSync, statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Database, RootDatabase } from 'lmdb';
import type { RelayError } from '../errors/index.ts';
import { ForNextTransaction } from './group-commit.ts';
import { throwCommitCause } from './lmdb-environment.ts';
import { mostPages, noChange, overflowOf, pageSizeOf, pagesOf, sumOf, type Change, type Pages } from './lmdb-pages.ts';

const kibibyte = 1_024;
/** Bytes that are left on the disk and in the file by what adds: LMDB writes what it changes to a new place, so what removes needs some. */
const reserve = 1_024 * kibibyte;
/** And on the disk, wherever else there is room. */
const least = { more: 320 * kibibyte, 'no more': 256 * kibibyte, less: 0 };
/** Node 20 tells the size of blocks that are best to read, where some file systems count smaller ones. */
const mostOfBlock = 4_096;

export interface DiskRoomOptions {
  /** Folder of the environment. */
  readonly path: string;
  readonly root: RootDatabase<Buffer, Buffer>;
  /** All other databases in it. */
  readonly named?: readonly Database<unknown, Buffer>[];
  /** Makes the error of who is refused. */
  readonly failed: (error: Error) => RelayError;
}

/** What a change leaves in the store, by which it may use the reserve. */
export type Outcome = keyof typeof least;

/** A transaction that is being built. */
interface Open {
  change: Change;
  /** Most bytes that it takes. */
  bytes: number;
  there?: Pages;
}

/** By device: most bytes that transactions take whose end is not known. The disk may not have counted them. */
const takenOf = new Map<number, { bytes: number }>();

/**
 * Refuses what the disk has no room for before LMDB meets that: lmdb-js 3.5.6 writes the message of a write that failed
 * past the end of its memory, and the process may abort. No transaction may take more pages than the disk has, though many
 * that are free in the file may do: which of them it can use, it does not tell.
 */
export class DiskRoom {
  readonly #options: DiskRoomOptions;
  readonly #pageSize: number;
  readonly #taken: { bytes: number };
  /** Of what is taken, by this environment. */
  #own = 0;
  #onDisk = 0;
  #open: Open = { change: noChange, bytes: 0 };

  constructor(options: DiskRoomOptions) {
    this.#options = options;
    this.#pageSize = pageSizeOf(options.root);
    const { dev } = statSync(options.path);
    this.#taken = takenOf.get(dev) ?? { bytes: 0 };
    takenOf.set(dev, this.#taken);
  }

  /** Runs a transaction, in which `action` may call the others. Throws why its commit failed. */
  async during(transaction: (action: () => void) => Promise<unknown>, action: () => void): Promise<void> {
    const open: Open = { change: noChange, bytes: 0 };
    try {
      await transaction(() => {
        this.#open = open;
        this.#onDisk = bytesOnDisk(this.#options.path);
        action();
      }).catch(throwCommitCause);
    } finally {
      this.#take(-open.bytes);
    }
  }

  /** Pages that a value has for itself. */
  overflow(length: number): number {
    return overflowOf(length, this.#pageSize);
  }

  /** Whether so much more in the store leaves the reserve, without a look at the trees. */
  hasPlenty(change: Change): boolean {
    return mostPages(sumOf(this.#open.change, change)) * this.#pageSize - this.#open.bytes <= this.#left() - reserve;
  }

  /** Takes room for a change, before the first write of it. Throws ForNextTransaction where that may have it. */
  take(change: Change, outcome: Outcome): void {
    if (!this.#has(change, outcome)) throw this.#own > 0 ? new ForNextTransaction() : this.#full();
  }

  /** Takes room to remove `most` entries or, where that is too much, some; gives how many. Throws as `take`. */
  takeToRemove(most: number, changeOf: (count: number) => Change): number {
    let count = most;
    while (count > 1 && !this.#has(changeOf(count), 'less')) count = Math.ceil(count / 2);
    if (count <= 1) this.take(changeOf(count), 'less');
    return count;
  }

  /** Takes it if so. */
  #has(change: Change, outcome: Outcome): boolean {
    const open = this.#open;
    const all = sumOf(open.change, change);
    let bytes = mostPages(all) * this.#pageSize;
    if (bytes - open.bytes > this.#left() - reserve) {
      const there = (open.there ??= pagesOf(this.#options.root, this.#options.named ?? []));
      bytes = mostPages(all, there) * this.#pageSize;
      if (bytes - open.bytes > this.#left() - this.#mustBeLeft(there, outcome)) return false;
    }
    this.#take(bytes - open.bytes);
    open.change = all;
    open.bytes = bytes;
    return true;
  }

  #mustBeLeft({ free }: Pages, outcome: Outcome): number {
    return outcome === 'more' ? Math.max(least.more, reserve - free * this.#pageSize) : least[outcome];
  }

  #left(): number {
    return this.#onDisk - this.#taken.bytes;
  }

  #take(bytes: number): void {
    this.#taken.bytes += bytes;
    this.#own += bytes;
  }

  #full(): RelayError {
    return this.#options.failed(noSpace());
  }
}

/**
 * Throws where an environment is new in the folder, or lacks a file, and less than the reserve is left: LMDB maps what it
 * makes before the disk has given it, and the process would be killed by SIGBUS.
 */
export async function refuseNewOnFullDisk(folder: string): Promise<void> {
  const files = await Promise.all(['data.mdb', 'lock.mdb'].map((name) => isWritten(join(folder, name))));
  if (files.includes(false) && bytesOnDisk(folder) < reserve) throw noSpace();
}

async function isWritten(path: string): Promise<boolean> {
  return stat(path).then(
    ({ size }) => size > 0,
    () => false,
  );
}

function noSpace(): Error {
  return new Error('no space left on the disk but the reserve that removing needs');
}

/** As many as can be had for certain; without an end where the file system does not tell. */
function bytesOnDisk(path: string): number {
  try {
    const { bavail, blocks, bsize } = statfsSync(path);
    return blocks === 0 ? Infinity : bavail * Math.min(bsize, mostOfBlock);
  } catch {
    return Infinity;
  }
}
