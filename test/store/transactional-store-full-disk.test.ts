import assert from 'node:assert/strict';
import { statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRelayError } from '../../src/errors/index.ts';
import { openLmdbStore, rangeOf, storeKey } from '../../src/store/index.ts';
import { smallDisk } from '../support/small-disk.ts';

describe('TransactionalStore: lmdb on a full disk', () => {
  let disk: Awaited<ReturnType<typeof smallDisk>>;
  before(async function () {
    disk = await smallDisk(3);
    if (disk === undefined) this.skip();
  });
  after(() => disk?.remove());

  it('refuses, keeps all that it took, and goes on when there is room', async () => {
    const keyOf = (n: number): Uint8Array => storeKey('k/', BigInt(n));
    const path = disk?.path ?? '';
    let store = await openLmdbStore({ path });
    const taken: number[] = [];
    const refused: unknown[] = [];
    for (let n = 0; n < 2_000; n += 50) {
      const numbers = Array.from({ length: 50 }, (_, i) => n + i);
      const write = async (i: number): Promise<void> => {
        await store.commit([{ key: keyOf(i), value: new Uint8Array(2_000) }]);
        taken.push(i);
      };
      const results = await Promise.allSettled(numbers.map(write));
      refused.push(...results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : [])));
    }
    assert.ok(taken.length > 100 && refused.length > 0);
    assert.ok(refused.every((error) => isRelayError(error, 'store-failed')));
    await store.close();
    store = await openLmdbStore({ path });
    const stored = new Set((await store.entries(rangeOf('k/'))).map(([key]) => Buffer.from(key).toString('hex')));
    for (const n of taken) assert.ok(stored.has(Buffer.from(keyOf(n)).toString('hex')), `${n} was taken and is gone`);
    await store.commit(taken.slice(0, 100).map((n) => ({ key: keyOf(n), value: undefined })));
    assert.equal(await store.commit([{ key: keyOf(9_999), value: new Uint8Array(2_000) }]), true);
    await store.close();
  });

  it('leaves a reserve to what removes, when another program filled the disk: what that frees is used again', async function () {
    const shared = await smallDisk(6);
    if (shared === undefined) {
      this.skip();
      return;
    }
    const store = await openLmdbStore({ path: shared.path });
    try {
      const keys = Array.from({ length: 100 }, (_, n) => storeKey('k/', BigInt(n)));
      const value = new Uint8Array(20_000);
      await store.commit(keys.map((key) => ({ key, value })));
      const left = (): number => {
        const { bavail, bsize } = statfsSync(shared.path);
        return bavail * bsize;
      };
      writeFileSync(join(shared.path, 'other'), new Uint8Array(left() - 2 ** 19));
      const add = async (n: number): Promise<boolean> => store.commit([{ key: storeKey('new/', BigInt(n)), value }]);
      const full = (error: unknown): boolean => isRelayError(error, 'store-failed');
      await assert.rejects(add(0), full);
      assert.equal(left(), 2 ** 19, 'what is refused writes nothing');
      for (const key of keys) await store.commit([{ key, value: undefined }]);
      let added = 0;
      for (; added < 100; added++) if (!(await add(added).catch((error: unknown) => !full(error)))) break;
      assert.ok(added > 20 && added < 100, `${added} were added`);
      assert.ok(left() > 0);
      assert.equal((await store.entries(rangeOf('new/'))).length, added);
    } finally {
      await store.close();
      await shared.remove();
    }
  });
});
