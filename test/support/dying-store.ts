import type { TransactionalStore } from '../../src/store/index.ts';

/** A store whose process may die before each commit, and after it. */
export function dyingStore(inner: TransactionalStore, mayDie: () => void): TransactionalStore {
  return {
    get: (key) => inner.get(key),
    entries: (range) => inner.entries(range),
    async commit(writes, expected) {
      mayDie();
      const isWritten = await inner.commit(writes, expected);
      mayDie();
      return isWritten;
    },
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
  };
}
