import { appendFileSync, existsSync, fsyncSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createRelayClient } from '../../src/relay/index.ts';
import { linesOf } from './lines-of.ts';
import { alice, bob, genesisHash, sealedMessage } from './support.ts';

/**
 * A sender in a process of its own: `sender-child.ts FOLDER URL...`. Each message is queued on disk before it is sent, as
 * `HEX text`, and its text is written down when a relay keeps it; what an earlier run queued is sent again. It makes nothing new
 * while there is a file `hold`.
 */
const [folder = '', ...urls] = process.argv.slice(2);
const inFlight = 8;
const paths = {
  queued: join(folder, 'queued'),
  acknowledged: join(folder, 'acknowledged'),
  hold: join(folder, 'hold'),
};
const acknowledged = new Set(linesOf(paths.acknowledged));
const before = linesOf(paths.queued).map((line) => line.split(' ', 2) as [string, string]);
const files = { queued: openSync(paths.queued, 'a'), acknowledged: openSync(paths.acknowledged, 'a') };
const write = (file: number, line: string): void => {
  appendFileSync(file, `${line}\n`);
  fsyncSync(file);
};
const client = createRelayClient({ genesisHash, allowPrivate: true, timeoutMs: 20_000 });

async function deliver(hex: string, text: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    const url = urls[attempt % urls.length] ?? '';
    try {
      await client.send(Buffer.from(hex, 'hex'), [url]);
      break;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  write(files.acknowledged, text);
}

const left = before.filter(([, text]) => !acknowledged.has(text));
await Promise.all(left.map(([hex, text]) => deliver(hex, text)));
let next = before.length;
await Promise.all(
  Array.from({ length: inFlight }, async () => {
    for (;;) {
      while (existsSync(paths.hold)) await new Promise((resolve) => setTimeout(resolve, 20));
      const text = `sender-${next++}`;
      const hex = Buffer.from(sealedMessage(alice, bob, text).bytes).toString('hex');
      write(files.queued, `${hex} ${text}`);
      await deliver(hex, text);
    }
  }),
);
