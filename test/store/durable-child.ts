import { writeSync } from 'node:fs';
import { pino } from 'pino';
import { openMailStore } from '../../src/cli/mail-store.ts';
import { resolveSettings } from '../../src/cli/resolve-settings.ts';

/**
 * Opens the store as `serve --durability` does, appends and acknowledges one message after the other, and says so at once:
 * `durable-child.ts FOLDER [disk|os]`.
 */
const [folder = '', durability] = process.argv.slice(2);
const recipient = `0x${'0b'.repeat(32)}` as const;
const settings = resolveSettings({ flags: durability === undefined ? {} : { durability }, env: {} });
await using store = await openMailStore({
  ...{ settings, folder, use: 'mail', chain: { genesisHash: recipient } },
  logger: pino({ enabled: false }),
});
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
