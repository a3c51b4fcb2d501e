import { maxBlockNumber } from '../../src/inbox/early-marks.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { lastNumber, rangeOf, storeKey, type TransactionalStore } from '../../src/store/index.ts';

/** What an inbox keeps that it needs no more once all up to that block is final, and its consumer done with all of it. */
export async function leftIn(disk: TransactionalStore, final = maxBlockNumber): Promise<string[]> {
  const store = new InboxStore(disk);
  const items = (await store.itemsFrom(0n, 100)).map(([sequence, { kind }]) => `${kind} ${sequence}`);
  const early = (await store.early.messages(0, final)).map(
    ({ number }) => `the mark of an early message of block ${number}`,
  );
  const taken = (await store.early.taken(0, final)).map(({ number }) => `the mark of block ${number}`);
  const retracted = (await store.early.hasRetracted()) ? ['the mark of a retracted message'] : [];
  const copies = (await disk.entries(rangeOf(storeKey('inbox/copy/')))).map(
    ([key]) => `what a relay brought of early message ${lastNumber(key)}`,
  );
  return [...items, ...early, ...taken, ...retracted, ...copies].map((what) => `left in the store: ${what}`);
}
