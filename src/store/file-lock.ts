import { createHash, randomUUID } from 'node:crypto';
import { link, readFile, rename, unlink, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { asRelayError, RelayError } from '../errors/index.ts';

const retryMs = 20;
const defaultPatienceMs = 5_000;

/** A lock that one living process holds at a time. */
export interface FileLock {
  /** Idempotent. */
  release(): Promise<void>;
}

/**
 * Takes `path`.lock. The lock names its holder's process, so one left by a dead process is taken over. Holders must
 * see the same processes: one machine, one container. Throws locked when a living process holds it for `patienceMs`
 * (default 5 s), store-failed where it can not be made or read.
 */
export async function lockFile(path: string, patienceMs = defaultPatienceMs): Promise<FileLock> {
  const lock = `${path}.lock`;
  const id = randomUUID();
  const own = `${lock}.${id}`;
  const mark = `${process.pid} ${(await startTimeOf(process.pid)) ?? ''} ${id}`;
  try {
    await writeFile(own, mark, { mode: 0o600 });
    await acquire(lock, own, path, patienceMs);
  } catch (error) {
    throw asRelayError(error, 'store-failed', { path });
  } finally {
    await removeFile(own);
  }
  return {
    async release() {
      // What stands there may be of another by now, where someone removed ours.
      if ((await readMark(lock).catch(() => undefined)) === mark) await removeFile(lock);
    },
  };
}

/** Runs `work` while holding the lock of `path`. Throws locked, store-failed. */
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
    const holder = await readMark(lock);
    if (holder === undefined) continue;
    const living = await takeOver(lock, own, holder);
    if (living === 'taken') return;
    if (living === 'changed') continue;
    if (waited >= patienceMs) throw new RelayError('locked', { details: { path, pid: pidOf(living) } });
    await sleep(retryMs);
  }
}

/**
 * Replaces the mark of a dead holder by our own; the mark of a living one is returned. A rename can't ask what it
 * replaces, and two waiters may find the same dead holder: so who replaces it must first own a file whose name belongs
 * to that mark, which exists once. Where the owner of that file died in turn, the same is done with its mark.
 */
async function takeOver(lock: string, own: string, holder: string): Promise<string> {
  const claims: string[] = [];
  for (let mark: string | undefined = holder; mark !== undefined;) {
    if (await isAlive(mark)) return mark;
    const claim = `${lock}.after.${createHash('sha256').update(mark).digest('hex').slice(0, 32)}`;
    claims.push(claim);
    if (!(await linked(own, claim))) {
      mark = await readMark(claim);
      continue;
    }
    // A mark is used once: while it stands there, nobody took over before us.
    const isUnchanged = (await readMark(lock)) === holder;
    if (isUnchanged) await rename(own, lock);
    for (const file of isUnchanged ? claims : [claim]) await removeFile(file);
    return isUnchanged ? 'taken' : 'changed';
  }
  return 'changed';
}

async function linked(own: string, name: string): Promise<boolean> {
  return link(own, name).then(
    () => true,
    (error: unknown) => {
      if (isCode(error, 'EEXIST')) return false;
      throw error;
    },
  );
}

async function readMark(file: string): Promise<string | undefined> {
  return readFile(file, 'utf8').catch((error: unknown) => {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  });
}

async function removeFile(file: string): Promise<void> {
  await unlink(file).catch((error: unknown) => {
    if (!isCode(error, 'ENOENT')) throw error;
  });
}

function pidOf(mark: string): number {
  return Number(/^\d+/.exec(mark)?.[0] ?? 0);
}

/** `mark`: `pid start-time`, so that a new process with an old number is told apart where /proc is there. */
async function isAlive(mark: string): Promise<boolean> {
  const [, startTime] = mark.split(' ');
  return pidOf(mark) > 0 && startTime !== undefined && (await startTimeOf(pidOf(mark))) === startTime;
}

/** When a living process began, as the platform tells it; undefined for a dead one, also before its parent asked. */
async function startTimeOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined);
  if (stat === undefined) return exists(pid) ? '-' : undefined;
  // proc(5): the name in parentheses may hold anything; the state is the field after it, the start time field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ['Z', 'X'].includes(fields[0] ?? '') ? undefined : fields[19];
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, 'EPERM');
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
