import assert from 'node:assert/strict';
import { cp, mkdir, open, readdir, stat, truncate, writeFile, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { openLmdbMailStore, openLmdbStore, storeKey, type TransactionalStore } from '../../src/store/index.ts';
import { cutOf } from '../../src/store/lmdb-file.ts';
import { startChild } from '../support/child.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { Dice } from '../truth/dice.ts';

const childScript = new URL('lmdb-file-child.ts', import.meta.url);
const pageSize = 4_096;

describe('the file of an LMDB store', function () {
  this.timeout(120_000);
  const folder = useTempDir();
  let copied = 0;
  const fileOf = (path: string): string => join(path, 'data.mdb');
  const sizeOf = async (path: string): Promise<number> => (await stat(fileOf(path))).size;

  /** What came of opening each, in a process of its own: the library may end it. */
  const opened = async (mode: 'open' | 'open-mail', paths: readonly string[]): Promise<string[]> => {
    const child = startChild(childScript, mode, ...paths);
    const lines = await child.rest();
    assert.equal(await child.exit, 0);
    return lines;
  };
  const copyOf = async (path: string, length: number): Promise<string> => {
    copied += 1;
    const copy = `${path} copy ${copied}`;
    await mkdir(copy);
    await cp(fileOf(path), fileOf(copy));
    await truncate(fileOf(copy), length);
    return copy;
  };
  const value = (length: number): Uint8Array => new Uint8Array(length).fill(1);
  const fill = async (store: TransactionalStore, count: number): Promise<void> => {
    for (let n = 0n; n < count; n++) await store.commit([{ key: storeKey('n/', n), value: value(3_000) }]);
  };
  const isCut = async (path: string): Promise<boolean> => {
    const file = await open(fileOf(path));
    try {
      return (await cutOf(file)) !== undefined;
    } finally {
      await file.close();
    }
  };

  /** The least length at which it is taken for whole. */
  const shortestOf = async (path: string): Promise<number> => {
    let size = await sizeOf(path);
    const copy = await copyOf(path, size);
    for (;;) {
      await truncate(fileOf(copy), size - pageSize);
      if (await isCut(copy)) return size;
      size -= pageSize;
    }
  };

  it('is refused where it was cut short, at whatever length, and says by how much', async () => {
    const path = folder('data');
    const store = await openLmdbStore({ path });
    await fill(store, 40);
    await store.close();
    const size = await sizeOf(path);
    const lengths = [
      30,
      60,
      200,
      pageSize - 1,
      pageSize,
      2 * pageSize,
      3 * pageSize,
      size / 2,
      size - pageSize,
      size - 1,
    ];
    const copies = await Promise.all(lengths.map((length) => copyOf(path, length)));
    const told = await opened('open', copies);
    assert.equal(told.length, lengths.length);
    told.forEach((line, n) => {
      const [, found = '', length, least] = /^(store-failed: it is cut short): (\d+) of (\d+) bytes$/.exec(line) ?? [];
      assert.ok(found, line);
      assert.equal(Number(length), lengths[n]);
      if (Number(length) >= pageSize) assert.equal(Number(least), size);
    });
    assert.deepEqual(await Promise.all(copies.map(sizeOf)), lengths);
    assert.deepEqual(await opened('open', [path]), ['40 values']);
  });

  it('is refused so of mail too', async () => {
    const path = folder('mail');
    await (await openLmdbMailStore({ path })).close();
    const size = await sizeOf(path);
    const copy = await copyOf(path, 2 * pageSize);
    const refused = `store-failed: it is cut short: ${2 * pageSize} of ${size} bytes`;
    assert.deepEqual(await opened('open-mail', [copy, path]), [refused, 'opened']);
  });

  it('is refused where it is of another format, which the library would crash of', async () => {
    const path = folder('data');
    await (await openLmdbStore({ path })).close();
    const copies: string[] = [];
    for (const [at, byte] of [
      [18, 0], // no meta page
      [24, 0], // no magic
      [28, 1], // an older version
    ] as const) {
      const copy = `${path} ${at}`;
      await cp(path, copy, { recursive: true });
      const file = await open(fileOf(copy), 'r+');
      await file.write(Uint8Array.of(byte), 0, 1, at);
      await file.close();
      copies.push(copy);
    }
    const refused = 'store-failed: it holds the data of another program';
    assert.deepEqual(await opened('open', copies), [refused, refused, refused]);
  });

  it('may be empty, as of a process that was killed when it had made it', async () => {
    const path = folder('data');
    await mkdir(path);
    await writeFile(fileOf(path), '');
    assert.deepEqual(await opened('open', [path]), ['0 values']);
  });

  for (const [list, keys, commits] of [
    ['in a leaf', 10, 0],
    ['in pages of its own', 2_000, 0],
    ['in several leaves', 10, 300],
  ] as const)
    it(`may end before the last page, where those after are free: their list is ${list}`, async () => {
      const path = folder('data');
      const store = await openLmdbStore({ path });
      const all = Array.from({ length: keys }, (_, n) => ({ key: storeKey('n/', BigInt(n)), value: value(3_000) }));
      await store.commit(all);
      await store.commit(all.filter((_, n) => n % 2 === 0).map(({ key }) => ({ key, value: undefined })));
      await fill(store, 5);
      // What a snapshot holds is not used again: each transaction leaves a list of its own.
      const reader = openLmdb({ path, keyEncoding: 'binary', encoding: 'binary' });
      const snapshot = reader.useReadTransaction();
      for (let n = 0; n < commits; n++) await fill(store, 1);
      const before = await sizeOf(path);
      const big = storeKey('big');
      await store.commit([
        { key: big, value: value(20_000_000) },
        { key: big, value: undefined },
      ]);
      assert.ok((await sizeOf(path)) < before + 1_000_000);
      const { length } = await store.entries({ from: new Uint8Array(), to: Uint8Array.of(0xff) });
      snapshot.done();
      await reader.close();
      await store.close();
      const [whole, cut] = await opened('open', [path, await copyOf(path, 3 * pageSize)]);
      assert.equal(whole, `${length} values`);
      assert.match(cut ?? '', /^store-failed: it is cut short: 12288 of /);
    });

  /** A store whose file ends before its last page, since those after are free. */
  const endsEarly = async (path: string): Promise<TransactionalStore> => {
    const store = await openLmdbStore({ path });
    await fill(store, 10);
    await store.commit([
      { key: storeKey('big'), value: value(20_000_000) },
      { key: storeKey('big'), value: undefined },
    ]);
    return store;
  };

  it('is refused where its list of free pages can not be read', async () => {
    const path = folder('data');
    await (await endsEarly(path)).close();
    const size = await sizeOf(path);
    const file = await open(fileOf(path), 'r+');
    await file.write(new Uint8Array(size - 2 * pageSize).fill(0xff), 0, size - 2 * pageSize, 2 * pageSize);
    await file.close();
    const [told] = await opened('open', [path]);
    assert.match(told ?? '', new RegExp(`^store-failed: it is cut short: ${size} of `));
  });

  it('is looked at anew where a page of that list was written over meanwhile', async () => {
    const path = folder('data');
    const store = await endsEarly(path);
    const file = await open(fileOf(path));
    const read = file.read.bind(file);
    let isOver = false;
    const overwritten = async (bytes: Buffer, offset: number, length: number, at: number): Promise<unknown> => {
      const result = await read(bytes, offset, length, at);
      if (at >= 2 * pageSize && !isOver) {
        isOver = true;
        bytes.fill(0xff);
        await fill(store, 1);
      }
      return result;
    };
    try {
      assert.equal(await cutOf(Object.assign<FileHandle, object>(file, { read: overwritten })), undefined);
      assert.ok(isOver);
    } finally {
      await file.close();
      await store.close();
    }
  });

  // Of few keys the last pages are often free.
  for (const keys of [10, 1_500])
    it(`is never refused while it is whole, and what is accepted of it has all values: ${keys} keys`, async () => {
      const path = folder('data');
      const dice = new Dice(7);
      const store = await openLmdbStore({ path });
      const copies: string[] = [];
      const expected: string[] = [];
      for (let round = 0; round < 200; round++) {
        const writes = Array.from({ length: 1 + dice.below(40) }, () => ({
          key: storeKey(`k${dice.below(keys)}`),
          value: dice.below(2) === 0 ? undefined : value(1 + dice.below(dice.below(8) === 0 ? 100_000 : 2_000)),
        }));
        await store.commit(writes);
        assert.equal(await isCut(path), false, `round ${round}`);
        if (round % 20 !== 19) continue;
        copies.push(await copyOf(path, await shortestOf(path)));
        const { length } = await store.entries({ from: new Uint8Array(), to: Uint8Array.of(0xff) });
        expected.push(`${length} values`);
      }
      await store.close();
      assert.deepEqual(await opened('open', copies), expected);
    });

  it('opens whenever the process that made it was killed', async () => {
    for (const made of [1, 5, 12]) {
      const path = folder(`made ${made}`);
      await mkdir(path);
      const child = startChild(childScript, 'make', path);
      for (let n = 0; n < made; n++) await child.line();
      await child.kill();
      const paths = (await readdir(path)).map((name) => join(path, name));
      assert.deepEqual(
        await opened('open', paths),
        paths.map(() => '0 values'),
      );
    }
  });

  it('opens while another process writes to it', async () => {
    const path = folder('data');
    const child = startChild(childScript, 'grow', path);
    try {
      for (let n = 0; n < 50; n++) {
        await child.line();
        await (await openLmdbStore({ path })).close();
      }
    } finally {
      await child.kill();
    }
    await (await openLmdbStore({ path })).close();
  });
});
