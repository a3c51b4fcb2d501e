import { chmod, stat, unlink } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { lockFile, makeFolder, type FileLock } from '../../store/index.ts';

/**
 * Prepares the place of a socket: a folder of one's own with mode 0700 (made where it is missing), no other agent, and
 * nothing left of one that died. Throws agent-socket-exposed, agent-running.
 */
export async function claimSocket(given: string): Promise<{ readonly path: string; readonly lock: FileLock }> {
  const path = resolve(given);
  const folder = dirname(path);
  const exposed = (reason: string): RelayError => new RelayError('agent-socket-exposed', { details: { path, reason } });
  await makeFolder(folder, 0o700).catch((error: unknown) => {
    throw exposed(String(error));
  });
  const { mode, uid } = await stat(folder);
  if (process.getuid !== undefined && uid !== process.getuid()) throw exposed(`it belongs to user ${uid}`);
  if ((mode & 0o077) !== 0) throw exposed(`its mode is ${(mode & 0o777).toString(8)}`);
  const lock = await lockFile(path, 0).catch((error: unknown) => {
    if (!isRelayError(error, 'locked')) throw error;
    throw new RelayError('agent-running', { details: { path, pid: error.details?.['pid'] }, cause: error });
  });
  const left = await stat(path).catch(() => undefined);
  if (left !== undefined && !left.isSocket()) {
    await lock.release();
    throw exposed('there is a file in its place');
  }
  if (left !== undefined) await unlink(path);
  return { path, lock };
}

export async function restrict(path: string): Promise<void> {
  await chmod(path, 0o600);
}
