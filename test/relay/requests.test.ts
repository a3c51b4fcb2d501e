import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { describe, it } from 'mocha';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { decodeV1 } from '../../src/crypto/index.ts';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import type { InvocationCall } from '../../src/relay/index.ts';
import { sealMessage } from '../../src/channel/index.ts';
import { signMessage } from '../../src/relay/index.ts';
import { rejected } from '../support/expect-error.ts';
import { utf8 } from '../support/entities.ts';
import { until } from '../support/until.ts';
import { useConversations, type Party } from './conversation.ts';

const contract: Hex = `0x${'c0'.repeat(32)}`;
const call = (input: Hex) => ({ kind: 'invocation', to: contract, input }) as const;

describe('relay: requests and answers', () => {
  const { cleanup, talk } = useConversations();

  const relayFor = (...served: readonly Party[]) =>
    cleanup.relay({
      genesisHash: talk.genesisHash,
      recipients: served.map(({ vault }) => vault.identity),
      workerState: talk.peers,
    });
  const ws = (url: string): string => url.replace('http', 'ws');
  /** A worker that answers with the input reversed, behind a relay. */
  const behindRelay = async (worker = talk.party()) => {
    const relay = await relayFor(worker);
    await talk.register(worker, [relay.url]);
    const calls: InvocationCall[] = [];
    const inbox = await talk.inbox(worker);
    const replier = talk.replier(worker, { relays: [relay.url] });
    await talk.feed(worker, relay.url, inbox, replier);
    talk.serve(inbox, replier, { onInvocation: answerReversed(calls) });
    return { relay, worker, calls, to: worker.vault.identity };
  };
  const answerReversed = (calls: InvocationCall[]) => (made: InvocationCall) => {
    calls.push(made);
    return made.input.toReversed();
  };

  it('carry a call to a worker behind a relay, whose handler sees proven from, to and input, and its answer back', async () => {
    const { calls, to, worker, relay } = await behindRelay();
    const asker = talk.party();
    const asked = await talk.requester(asker).ask({ to, body: call('0x010203') });
    assert.equal(asked.status, 'stored');
    const { content } = await asked.reply;
    assert.equal(toHex(content), '0x030201');
    const [seen] = calls;
    assert.deepEqual(
      [seen?.from, seen?.to, toHex(seen?.input ?? new Uint8Array())],
      [asker.vault.identity, contract, '0x010203'],
    );
    assert.deepEqual([seen?.delivery.to, seen?.delivery.fromKind], [worker.vault.identity, 'worker']);
    await until(async () => (await relay.mailStore.totals()).count === 0);
  });

  it('carry a call straight to a worker that runs its own relay', async () => {
    const worker = talk.party();
    const inbox = await talk.inbox(worker);
    const { identity } = worker.vault;
    const local = { identity, vault: worker.vault, accept: inbox.accept.bind(inbox) };
    const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [], local });
    await talk.register(worker, [ws(relay.url)]);
    talk.serve(inbox, talk.replier(worker, { relay }), { onInvocation: answerReversed([]) });
    const asked = await talk.requester(talk.party()).ask({ to: identity, body: call('0x0102') });
    assert.equal(asked.status, 'delivered');
    assert.equal(toHex((await asked.reply).content), '0x0201');
  });

  it('go many at once over one connection, each with a key of its own, each to its own answer', async () => {
    const { calls, to, relay } = await behindRelay();
    const requester = talk.requester(talk.party());
    const inputs = Array.from({ length: 100 }, (_, n) => toHex(Uint8Array.of(n, 255)));
    const replies = await Promise.all(inputs.map((input) => requester.request({ to, body: call(input) })));
    assert.deepEqual(
      replies.map(({ content }) => toHex(content.toReversed())),
      inputs,
    );
    assert.equal(new Set(calls.map(({ delivery }) => toHex(delivery.senderKey))).size, 100);
    // Asker and worker.
    assert.match(await (await fetch(`${relay.url}/metrics`)).text(), /^khala_relay_connections 2$/m);
  });

  it('end at their time, and at the will of who asked', async () => {
    const worker = talk.party();
    const relay = await relayFor(worker);
    await talk.register(worker, [relay.url]);
    const requester = talk.requester(talk.party());
    const to = worker.vault.identity;
    const late = await rejected(requester.request({ to, body: call('0x01'), timeoutMs: 300 }), 'request-timeout');
    assert.deepEqual(late.details, { to, timeoutMs: 300 });
    const gone = new AbortController();
    const other = await requester.ask({ to, body: call('0x01'), signal: gone.signal });
    gone.abort();
    await rejected(other.reply, 'aborted');
    await rejected(requester.ask({ to, body: call('0x01'), signal: gone.signal }), 'aborted');
  });

  it('survive connections and relays that go away while they are under way', async () => {
    const worker = talk.party();
    const mailStore = await cleanup.store();
    const options = { genesisHash: talk.genesisHash, mailStore, recipients: [worker.vault.identity] };
    const first = await cleanup.relay(options);
    const port = Number(new URL(first.url).port);
    await talk.register(worker, [first.url]);
    const inputs = Array.from({ length: 20 }, (_, n) => toHex(Uint8Array.of(n)));
    const requester = talk.requester(talk.party());
    const asked = await Promise.all(
      inputs.map((input) => requester.ask({ to: worker.vault.identity, body: call(input) })),
    );
    await first.stop();
    const second = await cleanup.relay({ ...options, listen: { port } });
    const inbox = await talk.inbox(worker);
    const replier = talk.replier(worker, { relays: [second.url] });
    await talk.feed(worker, second.url, inbox, replier);
    talk.serve(inbox, replier, { onInvocation: ({ input }) => input });
    const replies = await Promise.all(asked.map(({ reply }) => reply));
    assert.deepEqual(
      replies.map(({ content }) => toHex(content)),
      inputs,
    );
  });

  it('are answered though another asks what can not be answered, more often than handlers run', async () => {
    const { worker, relay, to, calls } = await behindRelay();
    const lost = talk.party();
    await talk.register(lost, ['http://127.0.0.1:1']);
    const { vault, store } = lost;
    for (let n = 0; n < 40; n++) {
      // From the key on chain: the answer goes to where it says that it reads.
      const from = { vault, store, genesisHash: talk.genesisHash, directory: talk.peers };
      const { envelope } = await sealMessage(from, { to, body: call('0x0a') });
      await talk.client().send(await signMessage(vault, talk.genesisHash, envelope), [relay.url]);
    }
    const { content } = await talk.requester(talk.party()).request({ to, body: call('0x0102') });
    assert.equal(toHex(content), '0x0201');
    assert.equal(calls.filter(({ from }) => from === vault.identity).length, 40);
    assert.ok(worker.vault.identity === to);
  });

  it('are answered though many askers name places that take an answer and never say so, or say nothing at all', async () => {
    const { relay, to, calls } = await behindRelay();
    const held = new Set<Socket>();
    // Takes a connection, and then nothing comes.
    const silent = createServer((socket) => held.add(socket.on('error', () => undefined)));
    cleanup.add(silent, () => {
      for (const socket of held) socket.destroy();
      silent.close();
    });
    await once(silent.listen(0, '127.0.0.1'), 'listening');
    const { port } = silent.address() as AddressInfo;
    const strangers = 40;
    for (let n = 0; n < strangers; n++) {
      const stranger = talk.party();
      await talk.register(stranger, [`${n % 2 === 0 ? 'http' : 'ws'}://127.0.0.1:${port}`]);
      const { vault, store } = stranger;
      const from = { vault, store, genesisHash: talk.genesisHash, directory: talk.peers };
      const { envelope } = await sealMessage(from, { to, body: call('0x0a') });
      await talk.client().send(await signMessage(vault, talk.genesisHash, envelope), [relay.url]);
    }
    // Each was handled, though not one of the answers arrives.
    await until(() => calls.length === strangers && held.size > 0);
    const { content } = await talk.requester(talk.party()).request({ to, body: call('0x0102') });
    assert.equal(toHex(content), '0x0201');
    assert.equal(calls.length, strangers + 1);
  });

  it('are not answered again and again where the relay has no reply box left', async () => {
    const [worker, asker] = [talk.party(), talk.party()];
    let tries = 0;
    const full = () => {
      tries++;
      return Promise.reject(new RelayError('reply-boxes-full', { details: { sender: worker.vault.identity, max: 1 } }));
    };
    const replier = talk.replier(worker, { relay: { postReply: full } });
    const from = asker.vault.identity;
    const senderKey = (await asker.vault.ecdhKeys())[0]?.publicKey ?? new Uint8Array(32);
    const asked = { messageId: from, from, fromKind: 'worker', senderKey } as const;
    await rejected(replier.reply(asked), 'reply-undelivered');
    assert.equal(tries, 1);
  });

  it('get an empty answer where the handler has nothing to say: it was read', async () => {
    const { to } = await behindRelay();
    const nothing = await talk.requester(talk.party()).request({ to, body: call('0x') });
    assert.equal(nothing.content.length, 0);
  });

  it('are acknowledged, when they are data, by those who are set to, and by no others', async () => {
    for (const acknowledgeReads of [true, false]) {
      const worker = talk.party();
      const relay = await relayFor(worker);
      await talk.register(worker, [relay.url]);
      const inbox = await talk.inbox(worker);
      const replier = talk.replier(worker, { relays: [relay.url] });
      await talk.feed(worker, relay.url, inbox, replier);
      let read = 0;
      talk.serve(inbox, replier, {
        acknowledgeReads,
        onMessage: () => {
          read++;
          return undefined;
        },
      });
      const body = { kind: 'data', content: utf8('hello') } as const;
      const asked = await talk.requester(talk.party()).ask({ to: worker.vault.identity, body });
      if (acknowledgeReads) assert.equal((await asked.reply).content.length, 0);
      else await until(async () => (await relay.mailStore.totals()).count === 0);
      assert.equal(read, 1);
    }
  });

  it('wait on when a stranger, or the relay, leaves something else where the answer should be', async () => {
    const worker = talk.party();
    const stranger = talk.party();
    const relay = await relayFor(worker, stranger);
    await talk.register(worker, [relay.url]);
    const asker = talk.party();
    const asked = await talk.requester(asker).ask({ to: worker.vault.identity, body: call('0x01') });
    const [mail] = await relay.mailStore.read(worker.vault.identity, 0n);
    assert.ok(mail !== undefined);
    const senderKey = await senderKeyOf(worker, asked.messageId);
    const leave = async (party: Party, inReplyTo: Hex, text: string): Promise<void> => {
      const sender = { ...party, genesisHash: talk.genesisHash, directory: talk.peers };
      const body = { kind: 'reply', inReplyTo, content: utf8(text) } as const;
      const { envelope } = await sealMessage(sender, { to: asker.vault.identity, body, recipientKey: senderKey });
      const signed = await signMessage(party.vault, talk.genesisHash, envelope);
      const prover = { identity: party.vault.identity, sign: party.vault.sign.bind(party.vault) };
      await party.client.postReply(signed, relay.url, prover);
    };
    await leave(stranger, asked.messageId, 'not for you to say');
    await leave(worker, `0x${'00'.repeat(32)}`, 'the answer to something else');
    await leave(worker, asked.messageId, 'the answer');
    assert.deepEqual((await asked.reply).content, utf8('the answer'));

    async function senderKeyOf(party: Party, id: Hex): Promise<Uint8Array> {
      const inbox = await talk.inbox(party);
      await talk.feed(party, relay.url, inbox);
      return new Promise((resolve) => {
        const subscription = inbox.events$.subscribe((event) => {
          if (event.type === 'message' && event.delivery.messageId === id) resolve(event.delivery.senderKey);
        });
        cleanup.add(subscription, (made) => {
          made.unsubscribe();
        });
      });
    }
  });

  it('are answered by those only whose mail the relay takes', async () => {
    const worker = talk.party();
    const relay = await relayFor(worker);
    const stranger = talk.party();
    const asking = {
      messageId: contract,
      from: worker.vault.identity,
      fromKind: 'worker',
      senderKey: await keyOf(worker),
    } as const;
    await rejected(talk.replier(stranger, { relays: [relay.url] }).reply(asking, '0x01'), 'reply-undelivered');
    await rejected(talk.replier(stranger).reply(asking, '0x01'), 'no-reply-address');
    await rejected(talk.replier(stranger).reply({ ...asking, fromKind: 'account' }, '0x01'), 'no-reply-address');
    assert.equal((await relay.mailStore.totals()).count, 0);
  });

  it('are answered to the mailbox of who asked, where it asked from a key that it has on chain', async () => {
    const { to } = await behindRelay();
    const asker = talk.party();
    const relay = await relayFor(asker);
    await talk.register(asker, [relay.url]);
    const sender = { ...asker, genesisHash: talk.genesisHash, directory: talk.peers };
    const sealed = await sealMessage(sender, { to, body: call('0x0102') });
    const signed = await signMessage(asker.vault, talk.genesisHash, sealed.envelope);
    await asker.client.send(signed, talk.peers.get(to)?.endpoints ?? []);
    const inbox = await talk.inbox(asker);
    await talk.feed(asker, relay.url, inbox);
    const replies: string[] = [];
    const subscription = inbox.events$.subscribe((event) => {
      if (event.type === 'message' && event.delivery.body.kind === 'reply')
        replies.push(toHex(event.delivery.body.content));
    });
    cleanup.add(subscription, (made) => {
      made.unsubscribe();
    });
    await until(() => replies.length > 0);
    assert.deepEqual(replies, ['0x0201']);
  });

  it('seal to the newer key that a worker names when the one in the directory is erased', async () => {
    const worker = talk.party();
    const inbox = await talk.inbox(worker);
    const { vault } = worker;
    const local = { identity: vault.identity, vault, accept: inbox.accept.bind(inbox) };
    const relay = await cleanup.relay({ genesisHash: talk.genesisHash, recipients: [], local });
    await talk.register(worker, [relay.url]);
    talk.serve(inbox, talk.replier(worker, { relay }), { onInvocation: ({ input }) => input });
    await vault.activate((await vault.rotate()).epoch);
    await vault.erase({ retiredBefore: Date.now() + 1 });
    const { content } = await talk.requester(talk.party()).request({ to: vault.identity, body: call('0x07') });
    assert.equal(toHex(content), '0x07');
  });

  it('are refused before anything is sent, for whom nobody knows and who has no endpoint', async () => {
    const requester = talk.requester(talk.party());
    const worker = talk.party();
    await rejected(requester.request({ to: worker.vault.identity, body: call('0x') }), 'unknown-recipient');
    await talk.register(worker, []);
    await rejected(requester.request({ to: worker.vault.identity, body: call('0x') }), 'recipient-unreachable');
  });

  it('come again, unacknowledged, after a handler that failed, and nobody else waits for it', async () => {
    const worker = talk.party();
    const relay = await relayFor(worker);
    await talk.register(worker, [relay.url]);
    const inbox = await talk.inbox(worker);
    const replier = talk.replier(worker, { relays: [relay.url] });
    await talk.feed(worker, relay.url, inbox, replier);
    const errors: RelayError[] = [];
    const failing = talk.serve(inbox, replier, {
      onError: (error) => errors.push(error),
      onInvocation: ({ input }) => {
        if (input[0] === 1) throw new Error('out of order');
        return input;
      },
    });
    const requester = talk.requester(talk.party());
    const to = worker.vault.identity;
    const failed = await requester.ask({ to, body: call('0x01') });
    assert.equal(toHex((await requester.request({ to, body: call('0x02') })).content), '0x02');
    assert.ok(errors.every((error) => isRelayError(error, 'handler-failed')) && errors.length === 1);
    await failing.stop();
    talk.serve(inbox, replier, { onInvocation: ({ input }) => input });
    assert.equal(toHex((await failed.reply).content), '0x01');
  });

  const keyOf = async ({ vault }: Party): Promise<Uint8Array> => {
    const [key] = await vault.ecdhKeys();
    assert.ok(key !== undefined);
    return key.publicKey;
  };

  it('are sent from a key that none of the epochs is, and that is forgotten with the answer', async () => {
    const { to, calls } = await behindRelay();
    const asker = talk.party();
    await talk.requester(asker).request({ to, body: call('0x01') });
    const senderKey = calls[0]?.delivery.senderKey ?? new Uint8Array();
    assert.notDeepEqual(senderKey, await keyOf(asker));
    const sender = { ...talk.party(), genesisHash: talk.genesisHash, directory: talk.peers };
    const late = await sealMessage(sender, { to: asker.vault.identity, body: call('0x'), recipientKey: senderKey });
    assert.deepEqual(decodeV1(late.envelope).header.recipientKey, senderKey);
    await rejected(asker.vault.open({ genesisHash: talk.genesisHash, envelope: late.envelope }), 'unknown-epoch');
  });
});
