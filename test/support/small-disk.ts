import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A disk of so many MiB at a folder, until the returned function is called; undefined, and said, where none may be mounted. */
export async function smallDisk(
  mebibytes: number,
): Promise<{ readonly path: string; readonly remove: () => Promise<void> } | undefined> {
  const path = await mkdtemp(join(tmpdir(), 'khala-relay-full-'));
  const mounted = await run('mount', ['-t', 'tmpfs', '-o', `size=${mebibytes}m`, 'tmpfs', path]).then(
    () => true,
    () => false,
  );
  if (!mounted) {
    await rm(path, { recursive: true });
    process.stderr.write('SKIPPED: a disk that is full: a small file system can not be mounted (Linux, as root)\n');
    return undefined;
  }
  return {
    path,
    remove: async () => {
      await run('umount', [path]);
      await rm(path, { recursive: true });
    },
  };
}
