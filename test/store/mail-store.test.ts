import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import { describeMailStore } from './mail-store.compliance.ts';

describeMailStore('lmdb', async () => {
  const path = await mkdtemp(join(tmpdir(), 'khala-relay-mail-'));
  return {
    open: (options) => openLmdbMailStore({ path, ...options }),
    cleanUp: () => rm(path, { recursive: true }),
  };
});
