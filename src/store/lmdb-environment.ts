import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RelayError } from '../errors/index.ts';

const dataFile = 'data.mdb';
// lmdb.h, MDB_MAGIC in the first meta page, after the header of the page.
const magic = Buffer.of(0xde, 0xc0, 0xef, 0xbe);
const magicOffset = 24;

/** Throws store-failed where the folder holds data of another format: the library would read it as pages and crash. */
export async function refuseForeignData(folder: string): Promise<void> {
  const path = join(folder, dataFile);
  const file = await openFile(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return;
  try {
    const found = Buffer.alloc(magic.length);
    const isEmpty = (await file.stat()).size === 0;
    await file.read(found, 0, found.length, magicOffset);
    if (!isEmpty && !found.equals(magic))
      throw new RelayError('store-failed', { details: { path, reason: 'it holds the data of another program' } });
  } finally {
    await file.close();
  }
}

/**
 * Throws why a commit failed: lmdb-js tells it in a promise of the error, which is rejected whether or not somebody
 * looks.
 */
export async function throwCommitCause(error: unknown): Promise<never> {
  if (error instanceof Error && 'commitError' in error) await error.commitError;
  throw error;
}
