import { randomUUID } from 'node:crypto';
import { link, open, readFile, realpath, rename, stat, unlink } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { isRelayError, RelayError } from '../errors/index.ts';
import { syncFolder, withFileLock } from '../store/index.ts';
import { decodeContainer, greatestLength } from './container.ts';

const ownerOnly = 0o600;
const notRegular = 'it is not a regular file';

/** Where the file is or will be: a link is followed, so that all who open the file share its lock and change it there. */
export async function vaultPath(path: string): Promise<string> {
  const absolute = resolve(path);
  return realpath(absolute).catch(async () => {
    const folder = dirname(absolute);
    return join(await realpath(folder).catch(() => folder), basename(absolute));
  });
}

/** Reads a vault file. Throws vault-missing, vault-foreign, vault-io; where others can, vault-exposed and what {@link decodeContainer} throws. */
export async function readVaultFile(path: string): Promise<Uint8Array> {
  const fail = (error: unknown): never => {
    throw ioError(error, path, 'vault-missing');
  };
  const found = await stat(path).catch(fail);
  if (!found.isFile()) throw new RelayError('vault-io', { details: { path, reason: notRegular } });
  if (found.size > greatestLength) throw new RelayError('vault-foreign', { details: { path } });
  const bytes = await readFile(path).catch(fail);
  if (process.platform !== 'win32' && (found.mode & 0o077) !== 0) {
    // Of what is no vault there is nothing to protect.
    decodeContainer(bytes, path);
    throw new RelayError('vault-exposed', { details: { path, mode: (found.mode & 0o777).toString(8) } });
  }
  return bytes;
}

/** Changes with every write of the file; undefined where there is none. */
export async function vaultFileVersion(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : versionOf(found);
}

/** Writes a new file, durably. Returns its version. Throws vault-exists, vault-io. */
export async function writeNewVaultFile(path: string, bytes: Uint8Array): Promise<string> {
  const temporary = `${path}.${randomUUID()}.new`;
  try {
    const version = await writeDurably(temporary, bytes);
    await link(temporary, path);
    await unlink(temporary);
    await syncFolder(dirname(path));
    return version;
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw await whyNotNew(error, path);
  }
}

async function whyNotNew(error: unknown, path: string): Promise<RelayError> {
  const { code } = error as NodeJS.ErrnoException;
  const reason =
    code === 'ENOENT'
      ? `the folder ${dirname(path)} does not exist`
      : code === 'EEXIST' && (await stat(path).catch(() => undefined))?.isFile() === false
        ? notRegular
        : undefined;
  if (reason === undefined) return ioError(error, path, 'vault-io');
  return new RelayError('vault-io', { details: { path, reason }, cause: error });
}

/**
 * Replaces a file so that a crash at any point leaves the old one or the new one; the old one stays as `path`.bak. The
 * caller holds the lock of `path`. Returns the new version. Throws vault-missing, vault-io.
 */
export async function replaceVaultFile(path: string, bytes: Uint8Array): Promise<string> {
  const temporary = `${path}.new`;
  try {
    // A crash may have left one, even as another name of the vault itself: it must not be written through.
    await unlink(temporary).catch(() => undefined);
    const version = await writeDurably(temporary, bytes);
    await keepBackup(path);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return version;
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw ioError(error, path, 'vault-missing');
  }
}

/**
 * As {@link replaceVaultFile}, and nothing of the old file stays: the backup is replaced first, so that a crash in between
 * leaves an old file whose owner begins anew.
 */
export async function replaceVaultFileAndBackup(path: string, bytes: Uint8Array): Promise<string> {
  const [backup, temporary] = [`${path}.bak.new`, `${path}.new`];
  try {
    for (const leftover of [backup, temporary]) await unlink(leftover).catch(() => undefined);
    await writeDurably(backup, bytes);
    await rename(backup, `${path}.bak`);
    await syncFolder(dirname(path));
    const version = await writeDurably(temporary, bytes);
    await rename(temporary, path);
    await syncFolder(dirname(path));
    return version;
  } catch (error) {
    for (const leftover of [backup, temporary]) await unlink(leftover).catch(() => undefined);
    throw ioError(error, path, 'vault-missing');
  }
}

/** One writer of a vault file at a time. Throws locked, vault-io. */
export function withVaultLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  return withFileLock(path, work).catch((error: unknown) => {
    if (!isRelayError(error, 'store-failed')) throw error;
    throw new RelayError('vault-io', { details: { path, reason: String(error.details?.['reason']) }, cause: error });
  });
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<string> {
  const file = await open(path, 'wx', ownerOnly);
  try {
    await file.writeFile(bytes);
    await file.sync();
    return versionOf(await file.stat({ bigint: true }));
  } finally {
    await file.close();
  }
}

async function keepBackup(path: string): Promise<void> {
  const backup = `${path}.bak`;
  const temporary = `${backup}.new`;
  await unlink(temporary).catch(() => undefined);
  await link(path, temporary);
  await rename(temporary, backup);
  // Where both are names of one file already, a rename does nothing.
  await unlink(temporary).catch(() => undefined);
}

function versionOf({ ino, mtimeNs, size }: { ino: bigint; mtimeNs: bigint; size: bigint }): string {
  return `${ino} ${mtimeNs} ${size}`;
}

function ioError(error: unknown, path: string, whereMissing: 'vault-missing' | 'vault-io'): RelayError {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' && whereMissing === 'vault-missing')
    return new RelayError('vault-missing', { details: { path }, cause: error });
  if (code === 'EEXIST') return new RelayError('vault-exists', { details: { path }, cause: error });
  return new RelayError('vault-io', { details: { path, reason: message }, cause: error });
}
