import { open as openFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RelayError } from '../errors/index.ts';
import { cutOf, isLmdb } from './lmdb-file.ts';

const dataFile = 'data.mdb';

/**
 * Throws store-failed where the folder holds data of another format, or the file was cut short, as by a copy that was
 * interrupted: the library would kill the process by SIGSEGV or SIGBUS. One of 0 bytes is new: a process that is killed when
 * it has made the file leaves that, and LMDB begins it.
 */
export async function refuseUnusableData(folder: string): Promise<void> {
  const path = join(folder, dataFile);
  const file = await openFile(path).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return;
  const refused = (reason: string) => new RelayError('store-failed', { details: { path, reason } });
  try {
    if ((await file.stat()).size === 0) return;
    if (!(await isLmdb(file))) throw refused('it holds the data of another program');
    const cut = await cutOf(file);
    if (cut !== undefined) throw refused(`it is cut short: ${cut.size} of ${cut.least} bytes`);
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
