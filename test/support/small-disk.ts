import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface SmallDisk {
  readonly path: string;
  /** Makes it one of so many MiB. */
  readonly grow: (mebibytes: number) => Promise<void>;
  readonly remove: () => Promise<void>;
}

/** A disk of so many MiB at a folder, until `remove` is called; undefined, and said, where none may be mounted. */
export async function smallDisk(mebibytes: number): Promise<SmallDisk | undefined> {
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
    grow: async (most) => {
      await run('mount', ['-o', `remount,size=${most}m`, path]);
    },
    remove: async () => {
      await run('umount', [path]);
      await rm(path, { recursive: true });
    },
  };
}
