// A relay in a process of its own, as `serve` runs it: LMDB that waits for the disk, threads that verify, no rates that one
// address could exceed.
import { availableParallelism } from 'node:os';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { createRelay, type Relay } from '../../src/relay/index.ts';
import { openLmdbMailStore, type MailStore } from '../../src/store/index.ts';
import { answer } from './child.ts';
import { cpuMs, residentBytes } from './process-cost.ts';
import { entity, genesisHash, signedMessage } from './traffic.ts';

const unlimited = { perSecond: 1e9, burst: 1e9 };
const randomHex = (): Hex => toHex(crypto.getRandomValues(new Uint8Array(32)));
let relay: Relay | undefined;
let mailStore: MailStore | undefined;

answer({
  start: async ({ folder, recipients }: { folder: string; recipients: readonly Hex[] }): Promise<string> => {
    mailStore = await openLmdbMailStore({ path: folder });
    relay = createRelay({
      ...{ genesisHash, mailStore, recipients },
      listen: { port: 0 },
      verifyThreads: availableParallelism() - 1,
      limits: {
        ...{ perIdentity: unlimited, perRecipient: unlimited, perAddress: unlimited },
        ...{ perAddressQueries: unlimited, perAddressConnections: unlimited },
        maxConnectionsPerAddress: 10_000,
      },
    });
    await relay.start();
    return relay.url;
  },
  cpu: cpuMs,
  memory: residentBytes,
  /** Puts so many messages into the mailbox of the first recipient, past the socket. */
  fill: async (messages: number): Promise<void> => {
    const to = entity('recipient', 0);
    // One for all: what is measured next must not clean up after as many signatures.
    const bytes = signedMessage(entity('sender', 0), to, 1n);
    const store = mailStore;
    if (store === undefined) return;
    const senders = Array.from({ length: 64 }, () => randomHex());
    const appends = Array.from({ length: messages }, (_, n) =>
      store.append(to.identity, randomHex(), bytes, {
        sender: senders[n % senders.length] ?? to.identity,
        isKnown: true,
      }),
    );
    await Promise.all(appends);
  },
  stored: async (): Promise<number> => (await mailStore?.totals())?.count ?? 0,
  stop: async (): Promise<void> => {
    await relay?.stop();
    await mailStore?.close();
  },
});
