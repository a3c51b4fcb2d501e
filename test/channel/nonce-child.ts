// A process of nonce-source.test.ts: takes N nonces of one channel with a clock that stands still, and prints them.
import { reserveNonce, type ChannelId } from '../../src/channel/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { toldToGoOn } from '../support/child.ts';

const [path = '', times = '0'] = process.argv.slice(2);
const channel: ChannelId = { fromKind: 'worker', from: `0x${'0a'.repeat(32)}`, to: `0x${'0b'.repeat(32)}` };
await using store = await openLmdbStore({ path });
console.log('ready');
await toldToGoOn();
for (let taken = 0; taken < Number(times);) {
  const { nonce, write, expectation } = await reserveNonce(store, channel, { now: () => 1, random: () => 0 });
  if (!(await store.commit([write], [expectation]))) continue;
  console.log(String(nonce));
  taken++;
}
