import { open } from 'node:fs/promises';

/** Whether a folder could not be made since a file has its name, or that of one above it. */
export function isFileInPlaceOfFolder(error: unknown): boolean {
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
