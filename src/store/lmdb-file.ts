import type { FileHandle } from 'node:fs/promises';

// As mdb.c of lmdb-js 3.5 lays it out: little-endian, words of 64 bits. A page begins with its header.
const header = { flags: 18, endOfPointers: 20, length: 24 };
const isBranchFlag = 0x01;
const isMetaFlag = 0x08;
// MDB_meta, in each of the first two pages, after the header.
const meta = { magic: 24, version: 28, pageSize: 48, freeRoot: 88, lastPage: 144, transaction: 152, end: 168 };
const magic = 0xbeefc0de;
const version = 2;
const leastPageSize = 256;
const mostPageSize = 65_536;
// MDB_node, and what MDB_ovpage says of a value that is in pages of its own.
const node = { flags: 4, keySize: 6, key: 8 };
const isInOwnPages = 0x01;
const ownPages = { first: 0, count: 16 };
const word = 8;

/** The snapshot that LMDB opens: of the newer of two meta pages. */
interface Snapshot {
  readonly transaction: bigint;
  readonly pageSize: number;
  /** Root of the tree of free pages; no page of the file where there are none. */
  readonly freeRoot: number;
  readonly lastPage: number;
}

export interface Cut {
  /** Bytes that the file has. */
  readonly size: number;
  /** That it must have; up to its last page where the list of the free ones is cut too. */
  readonly least: number;
}

/** Whether the file begins as one of the library does; one that does not makes it crash. */
export async function isLmdb(file: FileHandle): Promise<boolean> {
  const page = await read(file, 0, meta.end);
  return (
    (page.readUInt16LE(header.flags) & isMetaFlag) !== 0 &&
    page.readUInt32LE(meta.magic) === magic &&
    page.readUInt16LE(meta.version) === version
  );
}

/** Undefined where all pages that hold something are in the file. Others may write to it meanwhile. */
export async function cutOf(file: FileHandle): Promise<Cut | undefined> {
  for (;;) {
    const snapshot = await newestOf(file);
    // In this order: LMDB writes the pages of a snapshot before its meta page.
    const { size } = await file.stat();
    const least = snapshot === undefined ? meta.end : await leastSize(file, snapshot, size);
    if (size >= least) return undefined;
    // The pages of a snapshot are written over once there is a newer one.
    const after = await newestOf(file);
    const isSame = after?.transaction === snapshot?.transaction && (await file.stat()).size === size;
    if (isSame) return { size, least };
  }
}

/** Undefined where the first meta page is not whole. */
async function newestOf(file: FileHandle): Promise<Snapshot | undefined> {
  const first = snapshotIn(await read(file, 0, meta.end));
  if (first === undefined) return undefined;
  const second = snapshotIn(await read(file, first.pageSize, meta.end));
  return second !== undefined && second.transaction > first.transaction ? second : first;
}

function snapshotIn(page: Buffer): Snapshot | undefined {
  const pageSize = page.readUInt32LE(meta.pageSize);
  if (pageSize < leastPageSize || pageSize > mostPageSize) return undefined;
  return {
    transaction: page.readBigUInt64LE(meta.transaction),
    pageSize,
    freeRoot: numberAt(page, meta.freeRoot),
    lastPage: numberAt(page, meta.lastPage),
  };
}

/** What was freed in the transaction that took it is never written: a whole file may end before its last page. */
async function leastSize(file: FileHandle, snapshot: Snapshot, size: number): Promise<number> {
  const { pageSize, lastPage } = snapshot;
  let pages = lastPage + 1;
  const written = Math.floor(size / pageSize);
  if (pages > written) {
    const free = await freeAfter(file, snapshot, written).catch(unreadable);
    while (free.has(pages - 1)) pages -= 1;
  }
  return pages * pageSize;
}

/** A list that was cut, or written over meanwhile, tells of no free page. */
function unreadable(error: unknown): Set<number> {
  if (error instanceof RangeError) return new Set();
  throw error;
}

/** The free pages from the end of the file on. What lies there of the tree itself is not free. */
async function freeAfter(file: FileHandle, snapshot: Snapshot, written: number): Promise<Set<number>> {
  const { pageSize, freeRoot, lastPage } = snapshot;
  const free = new Set<number>();
  const tree = new Set([freeRoot]);
  for (const number of tree) {
    if (number >= written) continue;
    const page = await read(file, number * pageSize, pageSize);
    const isBranch = (page.readUInt16LE(header.flags) & isBranchFlag) !== 0;
    for (const at of nodesOf(page)) {
      if (isBranch) {
        tree.add(page.readUIntLE(at, 6));
        continue;
      }
      const list = await valueOf(file, page, at, pageSize, written);
      for (const [first, count] of rangesIn(list))
        for (let n = Math.max(first, written); n < first + count && n <= lastPage; n += 1) free.add(n);
    }
  }
  return free;
}

/** Where the nodes of a page begin. */
function nodesOf(page: Buffer): number[] {
  const count = page.readUInt16LE(header.endOfPointers) / 2;
  return Array.from({ length: count }, (_, n) => header.length + page.readUInt16LE(header.length + 2 * n));
}

/** Empty where it is not in the file. */
async function valueOf(file: FileHandle, page: Buffer, at: number, pageSize: number, written: number): Promise<Buffer> {
  const value = page.subarray(at + node.key + page.readUInt16LE(at + node.keySize));
  if ((page.readUInt16LE(at + node.flags) & isInOwnPages) === 0) return value;
  const [first, count] = [numberAt(value, ownPages.first), numberAt(value, ownPages.count)];
  if (first + count > written) return Buffer.alloc(word);
  return (await read(file, first * pageSize, count * pageSize)).subarray(header.length);
}

/** Of a list of free pages: its length, then numbers of pages; before one that begins several, their negative count; or 0. */
function* rangesIn(list: Buffer): Generator<[first: number, count: number]> {
  const length = numberAt(list, 0);
  for (let n = 1; n <= length; n += 1) {
    const entry = Number(list.readBigInt64LE(n * word));
    if (entry > 0) yield [entry, 1];
    if (entry >= 0) continue;
    n += 1;
    yield [numberAt(list, n * word), -entry];
  }
}

function numberAt(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64LE(at));
}

/** Zeros from the end of the file on. */
async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  await file.read(bytes, 0, length, at);
  return bytes;
}
