import assert from 'node:assert/strict';
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
});
