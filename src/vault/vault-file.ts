import { link, open, readFile, rename, stat, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { RelayError } from '../errors/index.ts';

const ownerOnly = 0o600;

/** Reads a vault file. Throws vault-missing, vault-exposed, vault-io. */
export async function readVaultFile(path: string): Promise<Uint8Array> {
  const { mode } = await stat(path).catch((error: unknown) => {
    throw ioError(error, path);
  });
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new RelayError('vault-exposed', { details: { path, mode: (mode & 0o777).toString(8) } });
  return readFile(path).catch((error: unknown) => {
    throw ioError(error, path);
  });
}

/** Changes with every write of the file; undefined where there is none. */
export async function vaultFileVersion(path: string): Promise<string | undefined> {
  const found = await stat(path, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : `${found.ino} ${found.mtimeNs} ${found.size}`;
}

/**
 * Writes so that a crash at any point leaves the old file or the new one; the old one stays as `path`.bak.
 * With `exclusive` it throws vault-exists where there is a file already. Throws vault-io.
 */
export async function writeVaultFile(path: string, bytes: Uint8Array, exclusive: boolean): Promise<void> {
  const temporary = `${path}.${process.pid}.new`;
  try {
    await writeDurably(temporary, bytes);
    if (exclusive) {
      await link(temporary, path);
      await unlink(temporary);
    } else {
      await keepBackup(path);
      await rename(temporary, path);
    }
    await syncDirectory(dirname(path));
  } catch (error) {
    await unlink(temporary).catch(() => undefined);
    throw ioError(error, path);
  }
}

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, 'w', ownerOnly);
  try {
    await file.writeFile(bytes);
    await file.sync();
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
}

async function syncDirectory(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function ioError(error: unknown, path: string): RelayError {
  if (error instanceof RelayError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new RelayError('vault-missing', { details: { path }, cause: error });
  if (code === 'EEXIST') return new RelayError('vault-exists', { details: { path }, cause: error });
  return new RelayError('vault-io', { details: { path, reason: message }, cause: error });
}
