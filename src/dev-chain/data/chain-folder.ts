import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { asRelayError, isRelayError, RelayError } from '../../errors/index.ts';
import {
  fileInPlaceOf,
  lockFile,
  makeFolder,
  openLmdbStore,
  syncFolder,
  type FileLock,
  type TransactionalStore,
} from '../../store/index.ts';

const storeName = 'chain';

/** Makes the folder where it is missing, and takes it for this process. Throws dev-option-invalid, locked, store-failed. */
export async function takeFolder(folder: string): Promise<FileLock> {
  try {
    await makeFolder(folder, 0o700);
  } catch (error) {
    const file = await fileInPlaceOf(folder);
    if (file === undefined) throw asRelayError(error, 'store-failed', { path: folder });
    const expected =
      file === folder ? 'the path of a folder, not of a file' : `the path of a folder, not below the file ${file}`;
    const details = { option: 'The data folder', value: folder, expected };
    throw new RelayError('dev-option-invalid', { details, cause: error });
  }
  return lockFile(join(folder, storeName), 0).catch((error: unknown) => {
    // The name of the lock is nothing that was given.
    if (isRelayError(error, 'locked')) throw new RelayError('locked', { details: { ...error.details, path: folder } });
    throw error;
  });
}

/**
 * The store in a folder that was taken. A new one is made beside its place, and put there with its file whole: where that is
 * empty or missing the chain was lost, and none is begun in its place. Throws dev-data-invalid, store-failed.
 */
export async function openStoreIn(folder: string): Promise<TransactionalStore> {
  const path = join(folder, storeName);
  const invalid = (reason: string): RelayError =>
    new RelayError('dev-data-invalid', { details: { path: folder, reason } });
  try {
    if ((await fileInPlaceOf(path)) !== undefined) throw invalid(`${storeName} is a file, not a folder`);
    if ((await sizeOf(path)) === undefined) await makeStore(folder, path);
    const size = await sizeOf(join(path, 'data.mdb'));
    if (size === undefined || size === 0)
      throw invalid(`${storeName}/data.mdb is ${size === undefined ? 'missing' : 'empty'}`);
  } catch (error) {
    throw asRelayError(error, 'store-failed', { path: folder });
  }
  return openLmdbStore({ path });
}

async function makeStore(folder: string, path: string): Promise<void> {
  const made = `${path}-new`;
  // Of one that was killed meanwhile.
  await rm(made, { recursive: true, force: true });
  try {
    await (await openLmdbStore({ path: made })).close();
    await rename(made, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
}

async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
