import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { startChild } from '../support/child.ts';
import { useTempDir } from '../support/temp-dir.ts';

/** kill -9 of what is left of it. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    assert.equal((error as NodeJS.ErrnoException).code, 'ESRCH');
  }
}

describe('cli: interruption', () => {
  const path = useTempDir();

  it('ends at once by a second signal, but for the first one that is passed on', async () => {
    const child = startChild(new URL('interruption-child.ts', import.meta.url), 'signals');
    try {
      assert.equal(await child.line(), 'ready');
      for (const _ of [0, 600]) {
        process.kill(child.pid, 'SIGTERM');
        assert.equal(await child.line(), 'SIGTERM true');
      }
      process.kill(child.pid, 'SIGTERM');
      assert.equal(await child.exit, 143);
      assert.deepEqual(await child.rest(), []);
    } finally {
      await child.kill();
    }
  });

  it('takes a signal that is passed on when the command is done already for the first one', async () => {
    const child = startChild(new URL('interruption-child.ts', import.meta.url), 'done');
    try {
      assert.equal(await child.line(), 'ready');
      process.kill(child.pid, 'SIGTERM');
      assert.equal(await child.line(), 'done');
      process.kill(child.pid, 'SIGTERM');
      child.goOn();
      assert.deepEqual([await child.exit, await child.rest()], [0, ['ended']]);
    } finally {
      await child.kill();
    }
  });

  it('ends at once by another signal', async () => {
    const child = startChild(new URL('interruption-child.ts', import.meta.url), 'signals');
    try {
      assert.equal(await child.line(), 'ready');
      process.kill(child.pid, 'SIGINT');
      assert.equal(await child.line(), 'SIGINT true');
      process.kill(child.pid, 'SIGTERM');
      assert.equal(await child.exit, 130);
    } finally {
      await child.kill();
    }
  });

  it('leaves nothing of npm start -- --keep behind where the whole group of processes gets the signal', async () => {
    const folder = path('tmp');
    await mkdir(folder);
    const child = spawn(process.execPath, ['scripts/start.mjs', '--keep'], {
      cwd: new URL('../../', import.meta.url),
      env: { ...process.env, TMPDIR: folder },
      stdio: ['ignore', 'pipe', 'inherit'],
      detached: true,
    });
    const { pid = assert.fail('it did not start') } = child;
    const closed = once(child, 'close');
    try {
      const demos = async (): Promise<string[]> =>
        (await readdir(folder)).filter((name) => name.startsWith('khala-relay-demo-'));
      for await (const line of createInterface(child.stdout)) if (line.endsWith('until Ctrl-C.')) break;
      child.stdout.resume();
      assert.equal((await demos()).length, 1);
      process.kill(-pid, 'SIGTERM');
      assert.deepEqual(await closed, [0, null]);
      assert.deepEqual(await demos(), []);
    } finally {
      endGroup(pid);
      await closed;
    }
  }).timeout(120_000);
});
