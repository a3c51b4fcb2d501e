import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'mocha';
import { openJetStreamMailStore } from '../../src/store/jetstream-mail-store.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import { describeNats, startNats, startNatsCluster, type NatsServer } from '../support/nats-server.ts';
import { describeMailStore } from './mail-store.compliance.ts';

describeMailStore('lmdb', async () => {
  const path = await mkdtemp(join(tmpdir(), 'khala-relay-mail-'));
  return {
    open: (options) => openLmdbMailStore({ path, ...options }),
    cleanUp: () => rm(path, { recursive: true }),
  };
});

describeNats('with a nats-server', () => {
  let server: NatsServer;
  before(async () => {
    server = await startNats();
  });
  after(() => server.stop());

  describeMailStore('jetstream', async () => {
    const name = randomBytes(8).toString('hex');
    return {
      open: (options) => openJetStreamMailStore({ nats: { servers: [server.url] }, name, shards: 2, ...options }),
      cleanUp: async () => undefined,
    };
  });
});

describeNats('with a cluster of three nats-servers', function () {
  this.timeout(120_000);
  let servers: readonly NatsServer[] = [];
  before(async () => {
    servers = await startNatsCluster();
  });
  after(async () => {
    for (const server of servers) await server.stop();
  });

  describeMailStore('jetstream, three replicas', async () => {
    const name = randomBytes(8).toString('hex');
    return {
      open: (options) =>
        openJetStreamMailStore({
          nats: { servers: servers.map(({ url }) => url) },
          ...{ name, shards: 2, replicas: 3 },
          ...options,
        }),
      cleanUp: async () => undefined,
    };
  });
});
