import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';

const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;

/** Fills a mail store where there is room for some 3 MiB, and throws where it is not as it should be then. */
export async function fillTheDisk(path: string): Promise<void> {
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
}
