// A relay in a process of its own, as `serve` runs it: LMDB that waits for the disk, threads that verify, no rates that one
// address could exceed.
import { availableParallelism } from 'node:os';
import type { Hex } from '../../src/codec/index.ts';
import { createRelay, type Relay } from '../../src/relay/index.ts';
import { openLmdbMailStore, type MailStore } from '../../src/store/index.ts';
import { answer } from './child.ts';
import { genesisHash } from './traffic.ts';

const unlimited = { perSecond: 1e9, burst: 1e9 };
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
        maxConnectionsPerAddress: 10_000,
      },
    });
    await relay.start();
    return relay.url;
  },
  /** ms of CPU since the process started, all threads. */
  cpu: (): number => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1_000;
  },
  stored: async (): Promise<number> => (await mailStore?.totals())?.count ?? 0,
  stop: async (): Promise<void> => {
    await relay?.stop();
    await mailStore?.close();
  },
});
