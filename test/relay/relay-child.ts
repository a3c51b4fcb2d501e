import { createRelay, type RelayOptions } from '../../src/relay/index.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { bob, genesisHash } from './support.ts';

/**
 * A relay in a process of its own: `relay-child.ts FOLDER PORT [PUBLIC_URL] [NEXT]`, or URLs of NATS in place of the folder. Prints
 * the URL that it listens on; SIGTERM stops it. It has the mailbox of bob, or forwards his mail to the relay at NEXT.
 */
const [where = '', port = '0', publicUrl = '', next = ''] = process.argv.slice(2);
const open = (name: string): Promise<MailStore> =>
  where.startsWith('nats://')
    ? openJetStreamMailStore({ name, nats: { servers: where.split(',') } })
    : openLmdbMailStore({ path: `${where}/${name}` });
const mailStore = await open('crash');
const forwardStore = next === '' ? undefined : await open('crash-forward');
const rate = { perSecond: 1e6, burst: 1e6 };
const limits: NonNullable<RelayOptions['limits']> = { perIdentity: rate, perRecipient: rate, perAddress: rate };
const relay = createRelay({
  ...{ genesisHash, mailStore, limits, allowPrivate: true },
  listen: { port: Number(port) },
  ...(publicUrl !== '' && { publicUrls: [publicUrl] }),
  ...(forwardStore === undefined
    ? { recipients: [bob.identity] }
    : {
        forwardStore,
        forwardBackoff: { firstMs: 10, mostMs: 100 },
        workerState: { get: (id) => (id === bob.identity ? { endpoints: [next] } : undefined) },
      }),
});
await relay.start();
process.stdout.write(`${relay.url}\n`);
process.once('SIGTERM', () => {
  void relay
    .stop()
    .then(() => Promise.all([mailStore.close(), forwardStore?.close()]))
    .then(() => process.exit(0));
});
