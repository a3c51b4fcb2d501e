import assert from 'node:assert/strict';
import {
  createInbox,
  createMemoryVault,
  createOutbox,
  createRelayOutbox,
  openInboxFiles,
  openMemoryStore,
  openOutboxQueue,
  queueMessage,
  ready,
  RelayError,
  sealMessage,
  type Chain,
  type Inbox,
  type InboxFiles,
  type Outbox,
  type RelayOutbox,
} from '../../src/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { currentKey, genesisHash } from '../support/vaults.ts';

/** What a caller that no type holds to it may give. */
const wrong: readonly unknown[] = [1, 1.5, NaN, Infinity, '1', {}, null, -1n, 2n ** 64n, 2n ** 200n];
const body = { kind: 'data', content: '0x01' } as const;

describe('package: what is given where a bigint belongs', () => {
  const vault = createMemoryVault();
  const peer = createMemoryVault();
  const store = openMemoryStore();
  const never = { status: 'unreached', reason: 'nobody is there' } as const;
  let inbox: Inbox;
  let files: InboxFiles;
  let outbox: RelayOutbox;
  let peerKey: Uint8Array;

  before(async () => {
    await ready();
    peerKey = await currentKey(peer);
    const inboxStore = openMemoryStore();
    const mine = new InboxStore(inboxStore);
    await mine.commit(await mine.claimWrites(genesisHash));
    files = await openInboxFiles(inboxStore);
    inbox = createInbox({ chain: { genesisHash } as Chain, vault, store: inboxStore });
    const carrier = { carry: async () => never } as unknown as Parameters<typeof createRelayOutbox>[0]['carrier'];
    outbox = createRelayOutbox({ genesisHash, carrier, ...sending() });
  });
  after(async () => {
    await outbox.stop();
    await inbox.stop();
  });

  const directory = { get: () => ({ current: { epoch: 0, ecdhKey: peerKey, proven: true }, endpoints: [] }) };
  const sending = () => ({ vault, store, directory });
  const onChain = (options: object): Outbox =>
    createOutbox({ chain: { genesisHash } as Chain, ...sending(), ...options });
  const queued = (options: object) =>
    queueMessage({ vault, store, genesisHash }, { to: peer.identity, body, via: 'relay', ...options });

  /** By name, what is done with a value that is no bigint, or none that it can be. */
  const uses: Readonly<Record<string, (value: bigint) => unknown>> = {
    'Outbox.receipt sendId': (value) => outbox.receipt(value),
    'Outbox.retry sendId': (value) => outbox.retry(value),
    'Outbox.cancel sendId': (value) => outbox.cancel(value),
    'OutboxQueue.retry sendId': (value) => openOutboxQueue(store).retry(value),
    'OutboxQueue.cancel sendId': (value) => openOutboxQueue(store).cancel(value),
    'Outbox.send nonce': (nonce) => outbox.send({ to: peer.identity, body, via: 'relay', nonce }),
    'Outbox.send maxFee': (maxFee) => outbox.send({ to: peer.identity, body, via: 'relay', maxFee }),
    'queueMessage nonce': (nonce) => queued({ nonce }),
    'queueMessage maxFee': (maxFee) => queued({ maxFee }),
    'createOutbox tip': (tip) => onChain({ tip }),
    'createOutbox maxFee': (maxFee) => onChain({ maxFee }),
    'Inbox.retry letters': (value) => inbox.retry([value]),
    'InboxFiles.retry letters': (value) => files.retry(vault, [value]),
    'InboxFiles.discard letters': (value) => files.discard([value]),
    'sealMessage nonce': (nonce) => sealMessage({ ...sending(), genesisHash }, { to: peer.identity, body, nonce }),
  };
  /** Of more than 64 bits. */
  const wide = new Set(['createOutbox tip']);

  for (const [name, use] of Object.entries(uses))
    it(`${name}: it is refused as bad-value, and named`, async () => {
      const [owner = '', what = ''] = name.split(' ');
      for (const value of wrong) {
        if (wide.has(name) && value === 2n ** 64n) continue;
        await assert.rejects(
          async () => use(value as bigint),
          (error) => {
            assert.ok(error instanceof RelayError, `${owner} ${String(value)}: ${String(error)}`);
            assert.equal(error.code, 'bad-value', String(value));
            assert.ok(error.message.startsWith(what), error.message);
            return true;
          },
          String(value),
        );
      }
    });
});
