import { createRelay, type RelayOptions } from '../../src/relay/index.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import { bob, genesisHash } from './support.ts';

/**
 * A relay in a process of its own: `relay-child.ts FOLDER PORT [PUBLIC_URL]`, or URLs of NATS in place of the folder. Prints
 * the URL that it listens on; SIGTERM stops it.
 */
const [where = '', port = '0', publicUrl = ''] = process.argv.slice(2);
const mailStore = where.startsWith('nats://')
  ? await openJetStreamMailStore({ name: 'crash', nats: { servers: where.split(',') } })
  : await openLmdbMailStore({ path: where });
const rate = { perSecond: 1e6, burst: 1e6 };
const limits: NonNullable<RelayOptions['limits']> = { perIdentity: rate, perRecipient: rate, perAddress: rate };
const relay = createRelay({
  ...{ genesisHash, mailStore, limits },
  recipients: [bob.identity],
  listen: { port: Number(port) },
  ...(publicUrl !== '' && { publicUrls: [publicUrl] }),
});
await relay.start();
process.stdout.write(`${relay.url}\n`);
process.once('SIGTERM', () => {
  void relay
    .stop()
    .then(() => mailStore.close())
    .then(() => process.exit(0));
});
