// A process of disk-room.test.ts: `BURST FOLDER` does what its name says on a disk that is nearly full, and prints what it was
// refused for. What LMDB says of a write that failed goes to stderr.
import { rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import {
  openLmdbMailStore,
  openLmdbStore,
  storeKey,
  type TransactionalStore,
  type Write,
} from '../../src/store/index.ts';

const [name = '', folder = ''] = process.argv.slice(2);
const refused = new Map<string, number>();
let done = 0;

async function settle(work: readonly Promise<unknown>[]): Promise<void> {
  for (const result of await Promise.allSettled(work))
    if (result.status === 'fulfilled') done++;
    else {
      const reason = isRelayError(result.reason) ? String(result.reason.details?.['reason']) : String(result.reason);
      refused.set(reason, (refused.get(reason) ?? 0) + 1);
    }
}

const bytesLeft = (): number => {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize;
};

function fillUpTo(left: number): void {
  writeFileSync(join(folder, 'other'), new Uint8Array(Math.max(0, bytesLeft() - left)));
}

/** Keys far from each other: each changes a leaf of its own. */
function scattered(n: number): Uint8Array {
  const key = new Uint8Array(64);
  new DataView(key.buffer).setUint32(0, Math.imul(n, 0x9e37_79b1) >>> 0);
  return key;
}

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n);
const id = (n: number): Hex => `0x${n.toString(16).padStart(64, '0')}`;

async function each(store: TransactionalStore, writes: readonly Write[], together: number): Promise<void> {
  for (let from = 0; from < writes.length; from += together)
    await settle(writes.slice(from, from + together).map((write) => store.commit([write])));
}

async function withStore(work: (store: TransactionalStore) => Promise<void>): Promise<void> {
  await using store = await openLmdbStore({ path: join(folder, 'store') });
  await work(store);
}

/** Opens and closes one of each kind. */
async function openStores(path: string): Promise<void> {
  await settle(
    [openLmdbStore, openLmdbMailStore].map(async (open) => {
      const store = await open({ path: join(path, open.name) });
      await store.close();
    }),
  );
}

const bursts: Record<string, () => Promise<void>> = {
  'new stores': async () => {
    for (const kibibytes of [0, 4, 8, 12, 16, 64, 256, 1_000, 1_024]) {
      rmSync(join(folder, 'other'), { force: true });
      fillUpTo(kibibytes * 1_024);
      const path = join(folder, `with ${kibibytes} KiB left`);
      await openStores(path);
      await openStores(path);
    }
  },
  'opened again': async () => {
    for (const kibibytes of [0, 4, 8, 16, 64, 256]) {
      rmSync(join(folder, 'other'), { force: true });
      const path = join(folder, `with ${kibibytes} KiB left`);
      await openStores(path);
      fillUpTo(kibibytes * 1_024);
      for (let times = 0; times < 5; times++) await openStores(path);
    }
  },
  'tiny values': () =>
    withStore(async (store) => {
      await each(
        store,
        range(20_000).map((n) => ({ key: scattered(n), value: new Uint8Array(40) })),
        500,
      );
      await each(
        store,
        range(20_000).map((n) => ({ key: scattered(n + 20_000), value: new Uint8Array(40) })),
        1,
      );
    }),
  removals: () =>
    withStore(async (store) => {
      const keys = range(30_000).map(scattered);
      for (let from = 0; from < keys.length; from += 1_000)
        await store.commit(keys.slice(from, from + 1_000).map((key) => ({ key, value: new Uint8Array(100) })));
      fillUpTo(2 ** 20);
      await each(
        store,
        keys.slice(0, 5_000).map((key) => ({ key, value: undefined })),
        500,
      );
      await settle([store.commit(keys.slice(5_000).map((key) => ({ key, value: undefined })))]);
      await each(
        store,
        keys.slice(5_000, 6_000).map((key) => ({ key, value: undefined })),
        1,
      );
    }),
  'replaced large values': () =>
    withStore(async (store) => {
      const keys = range(20).map((n) => storeKey('k/', BigInt(n)));
      for (const key of keys) await store.commit([{ key, value: new Uint8Array(150_000) }]);
      fillUpTo(2 ** 20);
      for (let round = 0; round < 20; round++)
        await each(
          store,
          keys.map((key) => ({ key, value: new Uint8Array(150_000 - round) })),
          round < 10 ? 20 : 1,
        );
    }),
  mail: async () => {
    await using store = await openLmdbMailStore({ path: join(folder, 'mail'), retentionMs: 0, dedupeMs: 0 });
    const append = (n: number) =>
      store.append(
        id(n % 97),
        id(n),
        new Uint8Array(n % 7 === 0 ? 9_000 : 60),
        { sender: id(n % 89), isKnown: true },
        n,
      );
    for (let n = 0; n < 20_000; n += 400) await settle(range(400).map((i) => append(n + i)));
    for (let n = 0; n < 200; n++) await settle([append(20_000 + n)]);
    fillUpTo(2 ** 19);
    await settle(range(40).map((n) => store.ack(id(n), 2n ** 63n)));
    await settle([store.sweep()]);
    await settle([store.sweep()]);
    if ((await store.totals()).count > 0) refused.set('mail is left', 1);
    for (let n = 0; n < 200; n++) await settle([append(30_000 + n)]);
  },
};

await bursts[name]?.();
console.log(JSON.stringify({ done, refused: Object.fromEntries(refused) }));
