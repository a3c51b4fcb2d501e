import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { lockFile, withFileLock } from '../../src/store/index.ts';
import { startChild } from '../support/child.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';

const childScript = new URL('file-lock-child.ts', import.meta.url);
const noPatience = 0;

describe('store: a file lock', () => {
  const folder = useTempDir();

  /** Runs `holders` at once and tells how many were inside together. */
  async function most(path: string, holders: number): Promise<number> {
    let [inside, greatest] = [0, 0];
    const hold = (): Promise<void> =>
      withFileLock(path, async () => {
        inside++;
        greatest = Math.max(greatest, inside);
        for (let i = 0; i < 3; i++) await turn();
        inside--;
      });
    await Promise.all(Array.from({ length: holders }, hold));
    return greatest;
  }

  it('has one holder at a time', async () => {
    assert.equal(await most(folder('thing'), 10), 1);
  });

  it('leaves nothing behind', async () => {
    await most(folder('thing'), 5);
    assert.deepEqual(await readdir(folder()), []);
  });

  it('is free again after work that failed, with the failure of the work', async () => {
    const failure = new Error('work');
    await assert.rejects(
      withFileLock(folder('thing'), () => Promise.reject(failure)),
      failure,
    );
    assert.equal(await withFileLock(folder('thing'), async () => 'done'), 'done');
  });

  it('is released once: a second release takes nothing from the next holder', async () => {
    const first = await lockFile(folder('thing'), noPatience);
    await first.release();
    const second = await lockFile(folder('thing'), noPatience);
    await first.release();
    await rejected(lockFile(folder('thing'), noPatience), 'locked');
    await second.release();
  });

  it('is released without failure when someone removed it, and without taking what stands there instead', async () => {
    const lock = await lockFile(folder('thing'), noPatience);
    await unlink(folder('thing.lock'));
    await lock.release();
    const other = await lockFile(folder('thing'), noPatience);
    await writeFile(folder('thing.lock'), 'of another');
    await other.release();
    assert.equal(await readFile(folder('thing.lock'), 'utf8'), 'of another');
  });

  it('names the living process that holds it, and is taken over from it once it was killed', async () => {
    const child = startChild(childScript, folder('thing'));
    await child.line();
    const { details, message } = await rejected(lockFile(folder('thing'), noPatience), 'locked');
    assert.deepEqual(details, { path: folder('thing'), pid: child.pid });
    assert.match(message, new RegExp(`pid ${child.pid}`));
    await child.kill();
    const lock = await lockFile(folder('thing'), noPatience);
    await lock.release();
    assert.deepEqual(await readdir(folder()), []);
  });

  it('is taken over from a process that is dead but still in the table', async function () {
    if (process.platform !== 'linux') return this.skip();
    // exec leaves a parent that never asks for the end of its child: it stays as a zombie.
    const parent = spawn('sh', ['-c', 'sleep 1000 & echo $!; exec sleep 1000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(parent.stdout, 'data')) as [Buffer];
    const zombie = Number(line.toString());
    const statOf = (pid: number | undefined): Promise<string> => readFile(`/proc/${pid}/stat`, 'utf8');
    // The shell asks for its children's ends until it is a sleep itself.
    while (!(await statOf(parent.pid)).includes('(sleep)')) await turn();
    await writeFile(folder('thing.lock'), `${zombie} ${await startTimeOf(zombie)}`);
    await rejected(lockFile(folder('thing'), noPatience), 'locked');
    process.kill(zombie, 'SIGKILL');
    while (!/^\d+ \(\w+\) Z/.test(await statOf(zombie))) await turn();
    const lock = await lockFile(folder('thing'), noPatience);
    await lock.release();
    parent.kill('SIGKILL');
    await once(parent, 'close');
  });

  it('is taken over where another process now bears the number of its holder', async function () {
    if (process.platform !== 'linux') return this.skip();
    await writeFile(folder('thing.lock'), `${process.pid} 1`);
    const lock = await lockFile(folder('thing'), noPatience);
    await lock.release();
  });

  it('is taken over where what it says makes no sense, as after a loss of power', async () => {
    for (const content of ['', 'x', '999999999 5', '\0\0\0\0', '1e3', '-1 -', '0 -']) {
      await writeFile(folder('thing.lock'), content);
      const lock = await lockFile(folder('thing'), noPatience);
      await lock.release();
    }
  });

  it('is taken over by one of many that find it stale', async () => {
    for (let round = 0; round < 10; round++) {
      await writeFile(folder('thing.lock'), `999999999 ${round}`);
      assert.equal(await most(folder('thing'), 8), 1, `in round ${round}`);
    }
    assert.deepEqual(await readdir(folder()), []);
  });

  it('fails where it can not be made or read, and waits for nothing', async () => {
    const missing = await rejected(lockFile(folder('missing', 'thing')), 'store-failed');
    assert.equal(missing.details?.['path'], folder('missing', 'thing'));
    await mkdir(folder('thing.lock'));
    await rejected(lockFile(folder('thing')), 'store-failed');
  });
});

/** Field 22 of /proc/PID/stat. */
async function startTimeOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}
