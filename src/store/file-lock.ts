import { randomUUID } from 'node:crypto';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { RelayError } from '../errors/index.ts';

const retryMs = 20;
const defaultPatienceMs = 5_000;

/** A lock that one living process holds at a time. */
export interface FileLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Takes `path`.lock. The lock names its holder's process, so one left by a dead process is taken over.
 * Throws locked when a living process holds it for `patienceMs` (default 5 s).
 */
export async function lockFile(path: string, patienceMs = defaultPatienceMs): Promise<FileLock> {
  const lock = `${path}.lock`;
  const own = `${lock}.${randomUUID()}`;
  await writeFile(own, await processMark(process.pid), { mode: 0o600 });
  try {
    await acquire(lock, own, path, patienceMs);
  } finally {
    await unlink(own);
  }
  let isHeld = true;
  return {
    async release() {
      if (!isHeld) return;
      isHeld = false;
      await unlink(lock);
    },
  };
}

/** Runs `work` while holding the lock of `path`. Throws locked. */
export async function withFileLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const lock = await lockFile(path);
  try {
    return await work();
  } finally {
    await lock.release();
  }
}

async function acquire(lock: string, own: string, path: string, patienceMs: number): Promise<void> {
  for (let waited = 0; ; waited += retryMs) {
    if (await linked(own, lock)) return;
    const holder = await readFile(lock, 'utf8').catch(() => undefined);
    if (holder === undefined) continue;
    const pid = Number(holder.split(' ')[0]);
    if ((await processMark(pid)) !== holder) await takeAway(lock, holder, own);
    else if (waited >= patienceMs) throw new RelayError('locked', { details: { path, pid } });
    else await sleep(retryMs);
  }
}

async function linked(own: string, lock: string): Promise<boolean> {
  return link(own, lock).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false;
      throw error;
    },
  );
}

// Two waiters may find the same dead holder; the one whose rename catches a newer lock puts it back.
async function takeAway(lock: string, holder: string, own: string): Promise<void> {
  const taken = `${own}.stale`;
  await rename(lock, taken).catch(() => undefined);
  const content = await readFile(taken, 'utf8').catch(() => undefined);
  if (content === undefined) return;
  if (content !== holder) await linked(taken, lock);
  await unlink(taken);
}

/** `pid start-time`, so that a new process with an old number is told apart where /proc is there. */
async function processMark(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat !== undefined) return `${pid} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}`;
  return isAlive(pid) ? `${pid} -` : `${pid} dead`;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
