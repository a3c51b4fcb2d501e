// A process of transactional-store.test.ts. `append PATH`: commits growing numbers and prints each once it is told that
// it is committed, until killed. `count PATH N`: counts N times, when told to go on.
import { lastNumber, openLmdbStore, rangeOf, storeKey, type TransactionalStore } from '../../src/store/index.ts';
import { toldToGoOn } from '../support/child.ts';

const [mode = '', path = '', times = '0'] = process.argv.slice(2);
const store = await openLmdbStore({ path });
if (mode === 'append') await append(store);
else await count(store, Number(times));
await store.close();

async function append(store: TransactionalStore): Promise<never> {
  const [last] = await store.entries({ ...rangeOf('n/'), reverse: true, limit: 1 });
  for (let n = last === undefined ? 0n : lastNumber(last[0]) + 1n; ; n++) {
    await store.commit([{ key: storeKey('n/', n), value: new Uint8Array(100) }]);
    process.stdout.write(`${n}\n`);
  }
}

async function count(store: TransactionalStore, times: number): Promise<void> {
  console.log('ready');
  await toldToGoOn();
  const key = storeKey('counter');
  for (let done = 0; done < times;) {
    const value = await store.get(key);
    const next = storeKey(String(Number(new TextDecoder().decode(value ?? storeKey('0'))) + 1));
    if (await store.commit([{ key, value: next }], [{ key, value }])) done++;
  }
}
