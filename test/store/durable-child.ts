import { writeSync } from 'node:fs';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';

/** Appends and acknowledges one message after the other, and says so at once: `durable-child.ts FOLDER disk|os`. */
const [path = '', durability = 'disk'] = process.argv.slice(2);
const recipient = `0x${'0b'.repeat(32)}` as const;
await using store = await openLmdbMailStore({ path, durability: durability === 'os' ? 'os' : 'disk' });
const say = (what: string): void => {
  writeSync(1, `answer ${what}\n`);
};
say('opened');
for (let n = 0; n < 5; n++) {
  const id = `0x${n.toString(16).padStart(64, '0')}` as const;
  const { cursor } = await store.append(recipient, id, new Uint8Array(256));
  say(`append ${n}`);
  await store.ack(recipient, cursor);
  say(`ack ${n}`);
}
