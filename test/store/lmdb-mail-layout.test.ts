import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open } from 'lmdb';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { isRelayError } from '../../src/errors/index.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';

describe('MailStore: lmdb, folders that are not its own', () => {
  let path: string;
  beforeEach(async () => {
    path = await mkdtemp(join(tmpdir(), 'khala-relay-layout-'));
  });
  afterEach(() => rm(path, { recursive: true }));

  const writeLayout = async (version: number | undefined): Promise<void> => {
    const env = open({ path, noSubdir: false, maxDbs: 8, keyEncoding: 'binary', encoding: 'binary' });
    const meta = env.openDB<Buffer, Buffer>({ name: 'meta', keyEncoding: 'binary', encoding: 'binary' });
    const key = Buffer.from('layout');
    await (version === undefined ? meta.remove(key) : meta.put(key, Buffer.of(version)));
    await env.close();
  };

  it('refuses the layout of another version, and says what to do', async () => {
    for (const [written, told] of [
      [undefined, 1],
      [4, 4],
    ] as const) {
      await (await openLmdbMailStore({ path })).close();
      await writeLayout(written);
      await assert.rejects(
        openLmdbMailStore({ path }),
        (error) =>
          isRelayError(error, 'mail-store-failed') &&
          new RegExp(`layout ${told}, .* reads 5: .* empty folder`).test(error.message),
      );
      await writeLayout(5);
    }
    await (await openLmdbMailStore({ path })).close();
  });

  it('refuses the data of another program', async () => {
    await writeFile(join(path, 'data.mdb'), 'something else'.repeat(1_000));
    await assert.rejects(openLmdbMailStore({ path }), (error) => isRelayError(error, 'store-failed'));
  });
});
