import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { createRelay, type RelayOptions } from '../../src/relay/index.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import type { MailQuota } from '../../src/store/mail-quota.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { genesisHash } from './support.ts';

/** What its parent tells it. */
export type ToRelay =
  | { readonly type: 'fill'; readonly recipients: readonly Hex[]; readonly count: number; readonly size: number }
  /** One message for each, whose id is that of its recipient. */
  | { readonly type: 'keep'; readonly recipients: readonly Hex[]; readonly sentAt: number }
  /** From here on the most that it takes is new. */
  | { readonly type: 'rest' }
  | { readonly type: 'peak' }
  /** What of JavaScript's is left when garbage is collected. */
  | { readonly type: 'held' };

export interface MemoryOptions {
  readonly folder: string;
  /** URL of the server that keeps its mail. Default: it is in LMDB in the folder. */
  readonly nats?: string;
  /** Of mailboxes. */
  readonly quota?: MailQuota;
  readonly recipients: readonly Hex[];
  /** For whom it forwards, and to where. */
  readonly others?: { readonly identities: readonly Hex[]; readonly endpoint: string };
  readonly limits: NonNullable<RelayOptions['limits']>;
}

/** A relay in a process of its own that tells how much memory it took at most: `memory-child.ts JSON`, forked. */
const { folder, nats, quota = {}, recipients, others, limits } = JSON.parse(process.argv[2] ?? '') as MemoryOptions;
const open = (name: 'mail' | 'forward', quota: MailQuota): Promise<MailStore> =>
  nats === undefined
    ? openLmdbMailStore({ path: join(folder, name), durability: 'os', quota })
    : openJetStreamMailStore({ name: `${basename(folder)}-${name}`, nats: { servers: [nats] }, shards: 2, quota });
const mailStore = await open('mail', quota);
const forwarding =
  others === undefined
    ? {}
    : {
        forwardStore: await open('forward', {}),
        workerState: {
          get: (id: Hex) => (others.identities.includes(id) ? { endpoints: [others.endpoint] } : undefined),
        },
        allowPrivate: true,
      };
const relay = createRelay({ genesisHash, mailStore, recipients, limits, listen: { port: 0 }, ...forwarding });
await relay.start();
let peak = 0;
/** Its own: LMDB's file is mapped, and what of it the system keeps in memory is the system's to take back. */
const taken = (): number => {
  if (process.platform !== 'linux') return process.memoryUsage.rss();
  const [, kibibytes] = /^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kibibytes) * 1_024;
};
const look = (): void => {
  peak = Math.max(peak, taken());
};
setInterval(look, 10);

async function handle(told: ToRelay): Promise<unknown> {
  if (told.type === 'fill') {
    const bytes = new Uint8Array(told.size);
    for (const recipient of told.recipients)
      for (let n = 0; n < told.count; n++)
        await mailStore.append(recipient, toHex(crypto.getRandomValues(new Uint8Array(32))), bytes);
    return undefined;
  }
  if (told.type === 'keep') {
    const bytes = new Uint8Array(100);
    await Promise.all(told.recipients.map((id) => mailStore.append(id, id, bytes, undefined, told.sentAt)));
    return undefined;
  }
  if (told.type === 'held') {
    for (let round = 0; round < 4; round++) {
      globalThis.gc?.();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return process.memoryUsage().heapUsed;
  }
  if (told.type === 'rest') {
    globalThis.gc?.();
    peak = 0;
  }
  look();
  return peak;
}

process.on('message', (told: ToRelay) => {
  void handle(told).then((answer) => process.send?.({ answer }));
});
process.send?.({ answer: relay.url });
