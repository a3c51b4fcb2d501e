import type { Hex } from '../../src/codec/index.ts';
import { createRelay, type RelayOptions } from '../../src/relay/index.ts';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import type { MailStore } from '../../src/store/mail-store.ts';
import { bob, genesisHash } from './support.ts';

export interface RelayChildOptions {
  readonly publicUrl?: string;
  /** Default that of the support. */
  readonly genesisHash?: Hex;
  /** Whose mail it is for. Default bob. */
  readonly recipient?: Hex;
  /** Endpoint of the relay that it forwards that mail to. Default: it keeps it. */
  readonly next?: string;
  /** Whether it is the recipient's own, which is bob then: his inbox is in its folder. Default false. */
  readonly isOwn?: boolean;
}

/**
 * A relay in a process of its own: `relay-child.ts FOLDER PORT [OPTIONS]`, or URLs of NATS in place of the folder; the options as
 * JSON. Prints the URL that it listens on; SIGTERM stops it.
 */
const [where = '', port = '0', json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json) as RelayChildOptions;
const { next, recipient = bob.identity } = options;
const open = (name: string): Promise<MailStore> =>
  where.startsWith('nats://')
    ? openJetStreamMailStore({ name, nats: { servers: where.split(',') } })
    : openLmdbMailStore({ path: `${where}/${name}` });
const mailStore = await open('crash');
const forwardStore = next === undefined ? undefined : await open('crash-forward');

async function purpose(): Promise<Partial<RelayOptions>> {
  if (options.isOwn === true) return { local: (await (await import('./bobs-inbox.ts')).openBobsInbox(where)).local };
  if (next === undefined || forwardStore === undefined) return { recipients: [recipient] };
  const workerState = { get: (id: Hex) => (id === recipient ? { endpoints: [next] } : undefined) };
  return { forwardStore, workerState, forwardBackoff: { firstMs: 10, mostMs: 100 } };
}

const rate = { perSecond: 1e6, burst: 1e6 };
const limits: NonNullable<RelayOptions['limits']> = { perIdentity: rate, perRecipient: rate, perAddress: rate };
const relay = createRelay({
  genesisHash: options.genesisHash ?? genesisHash,
  ...{ mailStore, limits, allowPrivate: true },
  ...(await purpose()),
  listen: { port: Number(port) },
  ...(options.publicUrl !== undefined && { publicUrls: [options.publicUrl] }),
});
await relay.start();
process.stdout.write(`${relay.url}\n`);
process.once('SIGTERM', () => {
  void relay
    .stop()
    .then(() => Promise.all([mailStore.close(), forwardStore?.close()]))
    .then(() => process.exit(0));
});
