import { open } from 'node:fs/promises';

/** Whether a folder could not be made since a file has its name (EEXIST), or that of one above it (ENOTDIR). */
export function isFileInPlaceOfFolder(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'code' in error && (error.code === 'EEXIST' || error.code === 'ENOTDIR');
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
