import assert from 'node:assert/strict';
import { after, afterEach, before, describe, it } from 'mocha';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { createOutbox, type OffChainCarrier, type Receipt } from '../../src/outbox/index.ts';
import { createCarrier, createRelayClient } from '../../src/relay/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { alice as payer, directoryEntries, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { until } from '../support/until.ts';
import { Cleanup } from './support.ts';

describe('relay and chain: one message on both ways', () => {
  const cleanup = new Cleanup();
  let node: DevChain;
  let chain: Chain;
  before(async () => {
    node = await startDevChain();
    chain = await connectChain({ endpoints: [node.ws] });
  });
  afterEach(() => cleanup.run());
  after(async () => {
    await chain.stop();
    await node.stop();
  });

  it('is delivered once, where the receipt of a worker that took it was lost and it went on chain too', async () => {
    const { genesisHash } = chain;
    const folder = cleanup.add(await temporaryFolder(), (made) => made.remove());
    const [sender, worker] = await registered(chain, folder.path, ['sender', 'worker']);
    assert.ok(sender !== undefined && worker !== undefined);
    const inbox = cleanup.add(createInbox({ chain, vault: worker, store: openMemoryStore() }), (made) => made.stop());
    await inbox.start();
    await inbox.ready;
    const seen: string[] = [];
    const subscription = inbox.messages$.subscribe((delivery) => {
      const text = delivery.body.kind === 'data' ? new TextDecoder().decode(delivery.body.content) : '';
      seen.push(`${text} via ${delivery.via}`);
      void delivery.ack();
    });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    const local = { identity: worker.identity, vault: worker, accept: inbox.accept.bind(inbox) };
    const relay = await cleanup.relay({ genesisHash, recipients: [], local });

    const client = cleanup.add(createRelayClient({ genesisHash, allowPrivate: true }), (made) => made.stop());
    const entries = await directoryEntries(worker);
    const directory = new Map(entries.map(([id, entry]) => [id, { ...entry, endpoints: [relay.url] }] as const));
    const way = createCarrier({ client, directory, allowPrivate: true });
    const taken: string[] = [];
    const carrier: OffChainCarrier = {
      ...way,
      carry: async (...message) => {
        taken.push((await way.carry(...message)).status);
        throw new RelayError('relay-timeout', { details: { endpoint: relay.url, timeoutMs: 1 } });
      },
    };
    const options = { chain, vault: sender, store: openMemoryStore(), directory, account: payer };
    const outbox = cleanup.add(createOutbox({ ...options, carrier }), (made) => made.stop());
    await outbox.start();
    for (const text of ['one', 'two', 'three']) {
      const body = { kind: 'data', content: utf8(text) } as const;
      const receipt: Receipt = await outbox.send({ to: worker.identity, body });
      assert.equal((await receipt.reached('finalized')).state, 'finalized');
    }
    assert.deepEqual(taken, ['delivered', 'delivered', 'delivered']);
    // On chain alone: when it is there, all before it were read.
    const last = { to: worker.identity, body: { kind: 'data', content: utf8('the end') }, via: 'chain' } as const;
    await (await outbox.send(last)).reached('finalized');
    await until(() => seen.length >= 4);
    assert.deepEqual(seen, ['one via relay', 'two via relay', 'three via relay', 'the end via chain']);
  });
});
