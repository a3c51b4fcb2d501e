// A process of append-group.test.ts: queues N messages at the same time, named by what it was told, and prints their numbers.
import { openLmdbStore } from '../../src/store/index.ts';
import { toldToGoOn } from '../support/child.ts';
import { queueing } from './queueing.ts';

const [path = '', times = '0', name = ''] = process.argv.slice(2);
await using store = await openLmdbStore({ path });
console.log('ready');
await toldToGoOn();
const contents = Array.from({ length: Number(times) }, (_, n) => `${name}${n}`);
const queued = await Promise.all(contents.map((content) => queueing(store, content)));
for (const { sendId, nonce } of queued) console.log(`${sendId} ${nonce}`);
