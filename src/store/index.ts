export { lockFile, withFileLock } from './file-lock.ts';
export type { FileLock } from './file-lock.ts';
export { idPart, lastNumber, rangeOf, storeKey } from './keys.ts';
export type { KeyPart } from './keys.ts';
export { openLmdbStore } from './lmdb-store.ts';
export type { LmdbStoreOptions } from './lmdb-store.ts';
export { openMemoryStore } from './memory-store.ts';
export type { Entry, Expectation, KeyRange, TransactionalStore, Write } from './transactional-store.ts';
