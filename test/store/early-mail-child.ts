// A process of early-mail.test.ts: `PATH` prints the cursor of a message that it gives to a reader early, and ends before
// the message can be durable.
import { writeSync } from 'node:fs';
import { openLmdbMailStore } from '../../src/store/index.ts';

const recipient = `0x${'0b'.repeat(32)}` as const;
const store = await openLmdbMailStore({ path: process.argv[2] ?? '' });
store.subscribe(recipient, () => {
  void store.read(recipient, 0n, { early: true }).then((mails) => {
    writeSync(1, `${mails.at(-1)?.cursor}\n`);
    process.kill(process.pid, 'SIGKILL');
  });
});
await store.append(recipient, `0x${'1d'.repeat(32)}`, new Uint8Array(100));
console.log('durable');
