import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, it } from 'mocha';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import { ForNextTransaction, GroupCommit } from '../../src/store/group-commit.ts';
import { openLmdbMailStore } from '../../src/store/index.ts';
import { smallDisk } from '../support/small-disk.ts';
import { fillTheDisk } from './full-disk-ordeal.ts';

describe('MailStore: lmdb on a full disk', () => {
  const promise = 'refuses, keeps all that it took, and goes on when there is room';

  it(promise, async function () {
    const disk = await smallDisk(3);
    if (disk === undefined) {
      this.skip();
      return;
    }
    try {
      await fillTheDisk(disk.path);
    } finally {
      await disk.remove();
    }
  });

  it('ends no retention and says nothing of it where nothing is too old', async function () {
    const disk = await smallDisk(2);
    if (disk === undefined) {
      this.skip();
      return;
    }
    try {
      await using store = await openLmdbMailStore({ path: disk.path });
      await store.append(`0x${'0b'.repeat(32)}`, `0x${'1d'.repeat(32)}`, new Uint8Array(100));
      const { bavail, bsize } = statfsSync(disk.path);
      writeFileSync(join(disk.path, 'other'), new Uint8Array(bavail * bsize));
      assert.deepEqual(await store.sweep(), { expired: 0 });
    } finally {
      await disk.remove();
    }
  });

  it(`${promise}, where its file may not grow any more`, () => {
    const folder = mkdtempSync(join(tmpdir(), 'khala-relay-full-'));
    const child = fileURLToPath(new URL('full-disk-child.ts', import.meta.url));
    try {
      // POSIX counts blocks of 512 bytes, and some shells kilobytes: 3 or 6 MiB. Node ignores the signal, and gets EFBIG.
      const script = 'ulimit -f 6144 && exec "$0" --import=tsx "$1" "$2"';
      const { status, stderr } = spawnSync('sh', ['-c', script, process.execPath, child, folder], { encoding: 'utf8' });
      assert.equal(status, 0, stderr);
    } finally {
      rmSync(folder, { recursive: true });
    }
  }).timeout(60_000);
});

describe('group commit', () => {
  it('leaves what has no room in a transaction, and all behind it, to the next one, in order', async () => {
    const transactions: number[][] = [];
    const commits = new GroupCommit(async (action) => {
      transactions.push([]);
      action();
    });
    const run = (n: number): Promise<number> =>
      commits.run(() => {
        const inThis = transactions.at(-1) ?? [];
        if (inThis.length === 2) throw new ForNextTransaction();
        return inThis.push(n);
      });
    assert.deepEqual(await Promise.all([0, 1, 2, 3, 4].map(run)), [1, 2, 1, 2, 1]);
    assert.deepEqual(transactions, [[0, 1], [2, 3], [4]]);
    await commits.close();
  });

  it('puts what comes during a transaction into the next one', async () => {
    const sizes: number[] = [];
    const commits = new GroupCommit(async (action) => {
      const before = done.length;
      action();
      sizes.push(done.length - before);
      await new Promise(setImmediate);
    });
    const done: number[] = [];
    const runs = Array.from({ length: 5 }, (_, n) => commits.run(() => done.push(n)));
    await new Promise(setImmediate);
    runs.push(
      commits.run(() => done.push(5)),
      commits.run(() => done.push(6)),
    );
    assert.deepEqual(await Promise.all(runs), [1, 2, 3, 4, 5, 6, 7]);
    assert.deepEqual([sizes.length <= 3, done], [true, [0, 1, 2, 3, 4, 5, 6]]);
  });

  it('begins as many as it may, each of which takes what waits when it is open', async () => {
    const begun: { open: () => void; end: () => void; fail: (error: Error) => void }[] = [];
    const transaction = (action: () => void): Promise<void> =>
      new Promise((resolve, reject) => begun.push({ open: action, end: resolve, fail: reject }));
    const commits = new GroupCommit(transaction, { maxBegun: 2 });
    const done: number[] = [];
    const run = (n: number): Promise<number> => commits.run(() => done.push(n));
    const [first, turn] = [run(1), () => new Promise(setImmediate)];
    await turn();
    const second = run(2);
    begun[0]?.open();
    const third = run(3);
    assert.deepEqual([begun.length, done], [1, [1, 2]]);
    await turn();
    const fourth = run(4);
    assert.equal(begun.length, 2, 'the next one is begun while the first is on its way to the disk');
    begun[1]?.open();
    await turn();
    const fifth = run(5);
    await turn();
    assert.deepEqual([begun.length, done], [2, [1, 2, 3, 4]]);
    begun[0]?.fail(new Error('disk'));
    for (const result of await Promise.allSettled([first, second])) assert.equal(result.status, 'rejected');
    begun[1]?.end();
    assert.deepEqual(await Promise.all([third, fourth]), [3, 4]);
    begun[2]?.fail(new Error('it did not open'));
    await assert.rejects(fifth, (error) => isRelayError(error, 'mail-store-failed'));
    const sixth = run(6);
    await turn();
    begun[3]?.open();
    begun[3]?.end();
    assert.equal(await sixth, 5);
    await commits.close();
  });

  it('tells a refusal to its caller alone, and a failed transaction to all in it', async () => {
    const commits = new GroupCommit(async (action) => {
      action();
    });
    const refusal = new RelayError('mailbox-full');
    const [good, bad] = await Promise.allSettled([
      commits.run(() => 'good'),
      commits.run(() => {
        throw refusal;
      }),
    ]);
    assert.deepEqual(good, { status: 'fulfilled', value: 'good' });
    assert.ok(bad.status === 'rejected' && bad.reason === refusal);
    const failed = await Promise.allSettled([
      commits.run(() => 'good'),
      commits.run(() => {
        throw new Error('disk');
      }),
    ]);
    for (const result of failed)
      assert.ok(result.status === 'rejected' && isRelayError(result.reason, 'mail-store-failed'));
    await commits.close();
    await assert.rejects(
      commits.run(() => 1),
      (error) => isRelayError(error, 'mail-store-failed'),
    );
  });
});
