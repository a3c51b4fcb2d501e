import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lastNumber, openLmdbStore, openMemoryStore, rangeOf } from '../../src/store/index.ts';
import { startChild } from '../support/child.ts';
import { rejected } from '../support/expect-error.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { describeTransactionalStore } from './transactional-store.compliance.ts';

const childScript = new URL('transactional-store-child.ts', import.meta.url);

describeTransactionalStore('memory', async () => ({
  open: async () => openMemoryStore(),
  cleanUp: async () => undefined,
}));

describeTransactionalStore('lmdb', async () => {
  const path = await mkdtemp(join(tmpdir(), 'khala-relay-store-'));
  return {
    open: () => openLmdbStore({ path }),
    cleanUp: () => rm(path, { recursive: true }),
  };
});

describe('TransactionalStore: lmdb on its disk', () => {
  const folder = useTempDir();
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

  it('keeps what was committed when it is opened again', async () => {
    const path = folder('data');
    const store = await openLmdbStore({ path });
    await store.commit([{ key: bytes('a'), value: bytes('1') }]);
    await store.close();
    await using again = await openLmdbStore({ path });
    assert.deepEqual(await again.get(bytes('a')), bytes('1'));
  });

  it('makes its folder, and those above it, for the owner only', async () => {
    await using _store = await openLmdbStore({ path: folder('deep', 'down') });
    assert.equal((await stat(folder('deep', 'down'))).mode & 0o777, 0o700);
  });

  it('keeps what a process was told is committed, when that process is killed', async () => {
    const path = folder('data');
    let expected = 0n;
    for (const lines of [1, 20, 7]) {
      const child = startChild(childScript, 'append', path);
      for (let n = 0; n < lines; n++) await child.line();
      await child.kill();
      const told = await child.rest();
      expected += BigInt(lines + told.length);
      await using store = await openLmdbStore({ path });
      const numbers = (await store.entries(rangeOf('n/'))).map(([key]) => lastNumber(key));
      // One more may be there: committed, and killed before it could say so.
      assert.ok(BigInt(numbers.length) === expected || BigInt(numbers.length) === expected + 1n);
      numbers.forEach((number, index) => assert.equal(number, BigInt(index)));
      expected = BigInt(numbers.length);
    }
  });

  it('is one store for several processes: none loses an increment of another', async () => {
    const path = folder('data');
    const children = [1, 2].map(() => startChild(childScript, 'count', path, '60'));
    await Promise.all(children.map((child) => child.line()));
    for (const child of children) child.goOn();
    assert.deepEqual(await Promise.all(children.map(({ exit }) => exit)), [0, 0]);
    await using store = await openLmdbStore({ path });
    assert.deepEqual(await store.get(bytes('counter')), bytes('120'));
  });

  it('sees at once what another opening of the same folder committed, and outlives its closing', async () => {
    const path = folder('data');
    const one = await openLmdbStore({ path });
    await using other = await openLmdbStore({ path });
    await one.commit([{ key: bytes('a'), value: bytes('1') }]);
    assert.deepEqual(await other.get(bytes('a')), bytes('1'));
    await one.close();
    assert.deepEqual(await other.get(bytes('a')), bytes('1'));
    assert.equal(await other.commit([{ key: bytes('a'), value: bytes('2') }]), true);
    assert.deepEqual(await other.get(bytes('a')), bytes('2'));
  });

  it('sees at once what another one committed while it was opened', async () => {
    const path = folder('data');
    await using one = await openLmdbStore({ path });
    for (let round = 0; round < 30; round++) {
      await using other = await openLmdbStore({ path });
      await one.commit([{ key: bytes('a'), value: bytes(`${round}`) }]);
      assert.deepEqual(await other.get(bytes('a')), bytes(`${round}`));
    }
  });

  it('says store-failed for a path that can not be made', async () => {
    await writeFile(folder('file'), 'x');
    const error = await rejected(openLmdbStore({ path: folder('file', 'data') }), 'store-failed');
    assert.equal(error.details?.['path'], folder('file', 'data'));
    await rejected(openLmdbStore({ path: folder('file') }), 'store-failed');
  });

  it('says store-failed for the data of another program, and leaves it alone', async () => {
    for (const content of [
      Buffer.alloc(1),
      Buffer.alloc(8192),
      Buffer.alloc(8192, 7),
      Buffer.from('SQLite format 3'),
    ]) {
      const path = folder(`foreign ${content.length} ${content[0]}`);
      await mkdir(path);
      await writeFile(join(path, 'data.mdb'), content);
      await rejected(openLmdbStore({ path }), 'store-failed');
      assert.equal((await stat(join(path, 'data.mdb'))).size, content.length);
    }
  });
});
