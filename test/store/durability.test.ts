import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'mocha';
import { bundled } from '../support/bundle.ts';

// A process that is killed loses nothing that the system has: only the calls themselves tell whether answers wait for the disk.
const calls = 'trace=write,fdatasync,fsync,msync';
const title = 'mail store of serve in LMDB: what it asks of the disk, by strace';

if (mayTrace()) describe(title, whatItAsks);
else {
  process.stderr.write(
    `SKIPPED: ${title}: there is no strace that may follow a process (Linux; Debian: apt-get install strace)\n`,
  );
  describe.skip(title, whatItAsks);
}

function mayTrace(): boolean {
  return spawnSync('strace', ['-f', '-e', calls, 'true'], { stdio: 'ignore' }).status === 0;
}

function whatItAsks(): void {
  /** For each answer that the program gave: how many calls that wait for the disk had ended since the one before. */
  const syncsBefore = async (...durability: readonly ('disk' | 'os')[]): Promise<number[]> => {
    const folder = mkdtempSync(join(tmpdir(), 'khala-relay-durable-'));
    try {
      const log = join(folder, 'log');
      const child = await bundled(new URL('durable-child.ts', import.meta.url));
      const program = [process.execPath, child, folder, ...durability];
      const { status, stderr } = spawnSync('strace', ['-f', '-e', calls, '-o', log, ...program], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
      const counts: number[] = [];
      let syncs = 0;
      for (const line of readFileSync(log, 'utf8').split('\n')) {
        // Whole, or the end of one that another thread's call came into.
        if (/(fdatasync|fsync|msync)(\(| resumed>).*= 0$/.test(line)) syncs += 1;
        if (!line.includes('write(1, "answer ')) continue;
        counts.push(syncs);
        syncs = 0;
      }
      return counts.slice(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  };

  it('each append and each acknowledgement is answered when a sync has ended since the answer before', async () => {
    // What is the default, and where it is asked for.
    for (const syncs of [await syncsBefore(), await syncsBefore('disk')]) {
      assert.equal(syncs.length, 10);
      assert.ok(
        syncs.every((count) => count > 0),
        syncs.join(),
      );
    }
  }).timeout(120_000);

  it('with --durability os nothing waits for the disk', async () => {
    assert.deepEqual(await syncsBefore('os'), Array(10).fill(0));
  }).timeout(120_000);
}
