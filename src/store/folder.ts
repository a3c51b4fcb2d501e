import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

/**
 * Makes a folder, and those above it that are missing, with `mode`; one that is there stays as it is. Rejects as mkdir does. Level
 * by level: the recursive mkdir of Node 20 goes round for ever where a folder takes no others and says ENOENT of it, as /proc does.
 */
export async function makeFolder(path: string, mode?: number): Promise<void> {
  try {
    await mkdir(path, mode);
  } catch (error) {
    const above = dirname(path);
    if (codeOf(error) === 'ENOENT' && above !== path && (await found(above)) === undefined) {
      await makeFolder(above, mode);
      return makeFolder(path, mode);
    }
    if ((await found(path))?.isDirectory() !== true) throw error;
  }
}

/** The file that is where `path`, or a folder above it, would have to be; undefined where there is none. */
export async function fileInPlaceOf(path: string): Promise<string | undefined> {
  const stats = await found(path);
  if (stats !== undefined) return stats.isDirectory() ? undefined : path;
  const above = dirname(path);
  return above === path ? undefined : fileInPlaceOf(above);
}

/** Brings to the disk which files are in a folder, and under which names. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** undefined where there is nothing that can be looked at. */
function found(path: string) {
  return stat(path).catch(() => undefined);
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
