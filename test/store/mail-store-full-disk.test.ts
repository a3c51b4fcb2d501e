import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { after, before, describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import { GroupCommit } from '../../src/store/group-commit.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';

const run = promisify(execFile);
const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;

describe('MailStore: lmdb on a full disk', () => {
  let path: string;
  let mounted = false;

  before(async function () {
    path = await mkdtemp(join(tmpdir(), 'khala-relay-full-'));
    mounted = await run('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', path]).then(
      () => true,
      () => false,
    );
    // Needs the right to mount a small file system.
    if (!mounted) this.skip();
  });
  after(async () => {
    if (mounted) await run('umount', [path]);
    await rm(path, { recursive: true });
  });

  it('refuses, keeps all that it took, and goes on when there is room', async () => {
    const bob = id(7);
    let store = await openLmdbMailStore({ path });
    const taken: Hex[] = [];
    const refused: unknown[] = [];
    for (let n = 0; n < 2000; n += 50) {
      const ids = Array.from({ length: 50 }, (_, at) => id(n + at + 1));
      const results = await Promise.allSettled(ids.map((each) => store.append(bob, each, new Uint8Array(2000))));
      results.forEach((result, at) => {
        if (result.status === 'fulfilled') taken.push(ids[at] ?? '0x');
        else refused.push(result.reason);
      });
    }
    assert.ok(taken.length > 100 && refused.length > 0);
    assert.ok(refused.every((error) => isRelayError(error, 'mail-store-failed')));
    const stored = async () =>
      (await store.read(bob, 0n, { count: 5000, bytes: 2 ** 30 })).map(({ messageId }) => messageId);
    assert.deepEqual(await stored(), taken);
    await store.close();
    store = await openLmdbMailStore({ path });
    assert.deepEqual(await stored(), taken);
    await store.ack(bob, 100n);
    const next = await store.append(bob, id(99_999), new Uint8Array(2000));
    // Of the second session of the folder.
    assert.deepEqual(next, { cursor: 2n ** 40n, duplicate: false });
    assert.equal((await store.stats(bob)).count, taken.length - 99);
    await store.close();
  });
});

describe('group commit', () => {
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
