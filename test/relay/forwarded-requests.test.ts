import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { createRelayOutbox } from '../../src/outbox/index.ts';
import { createCarrier, createRequester, type Requester } from '../../src/relay/index.ts';
import { createNodeTransport } from '../../src/relay/node-transport.ts';
import type { Transport } from '../../src/relay/transport.ts';
import { utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';
import { useConversations, type Party } from './conversation.ts';

const contract: Hex = `0x${'c0'.repeat(32)}`;
const call = (input: Hex) => ({ kind: 'invocation', to: contract, input }) as const;

describe('relay: questions that one relay hands on to another', () => {
  const { cleanup, talk } = useConversations();

  /** The relay of whoever asks: it keeps no mail of the worker, and knows from the chain who does. */
  const forwarder = async (options = {}) => {
    const forwardStore = await cleanup.store();
    return cleanup.relay({
      genesisHash: talk.genesisHash,
      recipients: [],
      workerState: talk.peers,
      forwardStore,
      forwardBackoff: { firstMs: 10, mostMs: 50 },
      ...options,
    });
  };
  const relayOf = ({ vault }: Party, options = {}) =>
    cleanup.relay({ genesisHash: talk.genesisHash, recipients: [vault.identity], ...options });
  const work = async (worker: Party, url: string): Promise<void> => {
    const inbox = await talk.inbox(worker);
    const replier = talk.replier(worker, { relays: [url] });
    await talk.feed(worker, url, inbox, replier);
    talk.serve(inbox, replier, { onInvocation: ({ input }) => input.toReversed(), acknowledgeReads: true });
  };
  /** A network from which one address can't be reached. `dialled`: what was tried. */
  const without = (url: string) => {
    const { host } = new URL(url);
    const inner = createNodeTransport({ allowPrivate: true });
    const dialled: string[] = [];
    const note = (tried: string): void => {
      dialled.push(new URL(tried).host);
      if (new URL(tried).host === host) throw new Error('the network does not lead there');
    };
    const transport: Transport = {
      post: async (tried, ...rest) => {
        note(tried);
        return inner.post(tried, ...rest);
      },
      connect: (tried, ...rest) => {
        note(tried);
        return inner.connect(tried, ...rest);
      },
      close: () => inner.close(),
    };
    return { transport, dialled };
  };
  const requester = ({ vault, store, client }: Party, forwarders: readonly string[]): Requester =>
    createRequester({ vault, store, client, genesisHash: talk.genesisHash, directory: talk.peers, forwarders });

  it('bring the answer back the same way to an asker who reaches the first only, and is registered nowhere', async () => {
    const worker = talk.party();
    const [b, a] = [await relayOf(worker), await forwarder()];
    await talk.register(worker, [b.url]);
    await work(worker, b.url);
    const asker = talk.party(talk.client({ transport: without(b.url).transport }));
    const asked = await requester(asker, [a.url]).ask({ to: worker.vault.identity, body: call('0x0102') });
    assert.deepEqual([asked.status, asked.endpoint], ['forwarded', a.url]);
    assert.equal(toHex((await asked.reply).content), '0x0201');
    // Nothing is left of it anywhere: what the asker is done with, it told the relay that kept it.
    await until(async () => (await b.mailStore.totals()).count === 0);
    assert.equal((await a.mailStore.totals()).count, 0);
  });

  it('go many at once through one connection', async () => {
    const worker = talk.party();
    const [b, a] = [await relayOf(worker), await forwarder()];
    await talk.register(worker, [b.url]);
    await work(worker, b.url);
    const asker = talk.party(talk.client({ transport: without(b.url).transport }));
    const ask = requester(asker, [a.url]);
    const inputs = Array.from({ length: 50 }, (_, n) => toHex(Uint8Array.of(n, 255)));
    const replies = await Promise.all(
      inputs.map((input) => ask.request({ to: worker.vault.identity, body: call(input) })),
    );
    assert.deepEqual(
      replies.map(({ content }) => toHex(content.toReversed())),
      inputs,
    );
    assert.match(await (await fetch(`${a.url}/metrics`)).text(), /^khala_relay_tunnels 1$/m);
  });

  it('are answered straight where the asker reaches both, though the first is gone by then', async () => {
    const worker = talk.party();
    const b = await relayOf(worker);
    const port = Number(new URL(b.url).port);
    const a = await forwarder();
    await talk.register(worker, [b.url]);
    await b.stop();
    const asked = await requester(talk.party(), [a.url]).ask({ to: worker.vault.identity, body: call('0x0102') });
    assert.equal(asked.status, 'forwarded');
    const again = await relayOf(worker, { mailStore: b.mailStore, listen: { port } });
    await until(async () => (await again.mailStore.totals()).count === 1);
    await a.stop();
    await work(worker, again.url);
    assert.equal(toHex((await asked.reply).content), '0x0201');
  });

  it('are answered once both are back that went away while it was waited for', async () => {
    const worker = talk.party();
    const [b, a] = [await relayOf(worker), await forwarder()];
    await talk.register(worker, [b.url]);
    const asker = talk.party(talk.client({ transport: without(b.url).transport }));
    const asked = await requester(asker, [a.url]).ask({ to: worker.vault.identity, body: call('0x0102') });
    await until(async () => (await b.mailStore.totals()).count === 1);
    for (const relay of [a, b]) {
      await relay.stop();
      // Where it was before.
      await (relay === a
        ? forwarder({ listen: { port: Number(asked.endpoint.split(':').at(-1)) } })
        : relayOf(worker, { mailStore: b.mailStore, listen: { port: portOf(worker) } }));
    }
    await work(worker, endpointOf(worker));
    assert.equal(toHex((await asked.reply).content), '0x0201');
  });
  const endpointOf = ({ vault }: Party): string => talk.peers.get(vault.identity)?.endpoints[0] ?? '';
  const portOf = (worker: Party): number => Number(new URL(endpointOf(worker)).port);

  it('end at their time where the first hands them on and no way leads to the answer', async () => {
    const worker = talk.party();
    const b = await relayOf(worker);
    const a = await forwarder({ forwardFor: 'registered' });
    const asker = talk.party(talk.client({ transport: without(b.url).transport }));
    await talk.register(worker, [b.url]);
    await talk.register(asker, []);
    await work(worker, b.url);
    const asked = await requester(asker, [a.url]).ask({
      ...{ to: worker.vault.identity, body: call('0x0102') },
      timeoutMs: 1_000,
    });
    await rejected(asked.reply, 'request-timeout');
  });

  it('tell a queue that its message was read, too', async () => {
    const worker = talk.party();
    const [b, a] = [await relayOf(worker), await forwarder()];
    await talk.register(worker, [b.url]);
    const { vault, store, client } = talk.party(talk.client({ transport: without(b.url).transport }));
    const { genesisHash, peers: directory } = talk;
    const carrier = createCarrier({
      ...{ client, directory, allowPrivate: true, forwarders: [a.url] },
      entity: { vault, genesisHash },
    });
    const outbox = cleanup.add(createRelayOutbox({ genesisHash, vault, store, directory, carrier }), (made) =>
      made.stop(),
    );
    await outbox.start();
    const body = { kind: 'data', content: utf8('hello') } as const;
    const receipt = await outbox.send({ to: worker.vault.identity, body, readReceipt: true });
    const arrival = await receipt.reached('finalized');
    assert.ok(arrival.state === 'relayed' && arrival.status === 'forwarded');
    await work(worker, b.url);
    assert.match((await receipt.read()).messageId, /^0x/);
  });
});
