import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { connectChain } from '../../src/chain/index.ts';
import { sealMessage } from '../../src/channel/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import {
  createOutbox,
  createRelayOutbox,
  openOutboxQueue,
  type OffChainCarrier,
  type RelayOutbox,
} from '../../src/outbox/index.ts';
import { createCarrier, signMessage } from '../../src/relay/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { alice as payer, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';
import { useConversations, type Party } from './conversation.ts';

describe('relay: the word that a message was read', () => {
  const { cleanup, talk } = useConversations();

  const body = { kind: 'data', content: utf8('hello') } as const;
  const worker = async (...neighbours: readonly Party[]) => {
    const party = talk.party();
    const relay = await cleanup.relay({
      genesisHash: talk.genesisHash,
      recipients: [party, ...neighbours].map(({ vault }) => vault.identity),
      workerState: talk.peers,
    });
    await talk.register(party, [relay.url]);
    const readMail = async (): Promise<void> => {
      const inbox = await talk.inbox(party);
      const replier = talk.replier(party, { relays: [relay.url] });
      await talk.feed(party, relay.url, inbox, replier);
      talk.serve(inbox, replier, { acknowledgeReads: true });
    };
    return { party, relay, readMail, to: party.vault.identity };
  };
  const carrierOf = ({ vault, client }: Party) => {
    const { genesisHash, peers: directory } = talk;
    return createCarrier({ client, directory, entity: { vault, genesisHash }, allowPrivate: true });
  };
  const outbox = async (party: Party, carrier: OffChainCarrier = carrierOf(party)): Promise<RelayOutbox> => {
    const { vault, store } = party;
    const { genesisHash, peers: directory } = talk;
    const made = cleanup.add(createRelayOutbox({ genesisHash, vault, store, directory, carrier }), (one) => one.stop());
    await made.start();
    return made;
  };
  const reads = async (queue: Pick<RelayOutbox, 'entries'>): Promise<(Hex | undefined)[]> => {
    const found: (Hex | undefined)[] = [];
    for await (const { read } of queue.entries()) found.push(read?.messageId);
    return found;
  };

  it('comes to a sender whom nobody knows, after stored, for each message its own', async () => {
    const { to, readMail } = await worker();
    const asker = talk.party();
    const box = await outbox(asker);
    const receipts = [];
    for (let n = 0; n < 5; n++) receipts.push(await box.send({ to, body, readReceipt: true }));
    for (const receipt of receipts) {
      const arrival = await receipt.reached('finalized');
      assert.ok(arrival.state === 'relayed' && arrival.status === 'stored');
    }
    assert.deepEqual(await reads(box), Array(5).fill(undefined));
    await readMail();
    const words = await Promise.all(receipts.map((receipt) => receipt.read()));
    assert.equal(new Set(words.map(({ messageId }) => messageId)).size, 5);
    assert.ok(words.every(({ readAt }) => Math.abs(Number(readAt) - Date.now()) < 3_600_000));
    assert.deepEqual(
      await reads(box),
      words.map(({ messageId }) => messageId),
    );
  });

  it('comes to the next process, and is still known to the one after it', async () => {
    const { to, readMail } = await worker();
    const asker = talk.party();
    const first = await outbox(asker);
    const { sendId, reached } = await first.send({ to, body, readReceipt: true });
    await reached('finalized');
    const waiting = (await first.receipt(sendId))?.read();
    await first.stop();
    await rejected(waiting ?? Promise.resolve(), 'aborted');

    const second = await outbox(asker);
    await readMail();
    const word = await (await second.receipt(sendId))?.read();
    await second.stop();
    const third = await outbox(asker);
    assert.deepEqual(await (await third.receipt(sendId))?.read(), word);
    assert.deepEqual(await reads(openOutboxQueue(asker.store)), [word?.messageId]);
  });

  it('comes by the inbox to a sender with a mailbox of its own', async () => {
    const { to, readMail } = await worker();
    await readMail();
    const asker = talk.party();
    const relay = await cleanup.relay({
      genesisHash: talk.genesisHash,
      recipients: [asker.vault.identity],
      workerState: talk.peers,
    });
    await talk.register(asker, [relay.url]);
    const box = await outbox(asker);
    const inbox = await talk.inbox(asker);
    await talk.feed(asker, relay.url, inbox);
    talk.serve(inbox, talk.replier(asker), { outbox: box });
    const receipt = await box.send({ to, body, readReceipt: true });
    assert.ok((await receipt.read()).messageId);
    await until(async () => (await relay.mailStore.totals()).count === 0);
  });

  it('comes by an outbox whose queue another has taken over', async () => {
    const { to } = await worker();
    const asker = talk.party();
    const first = await outbox(asker);
    const { sendId, reached } = await first.send({ to, body, readReceipt: true });
    const { messageId: inReplyTo } = await reached('finalized');
    const second = await outbox(asker);
    const reply = { messageId: `0x${'01'.repeat(32)}`, from: to, inReplyTo, sentAt: 7n } as const;
    assert.equal(await first.noteReply(reply), true);
    assert.equal(await first.noteReply({ ...reply, inReplyTo: reply.messageId }), false);
    assert.deepEqual(await (await second.receipt(sendId))?.read(), { messageId: reply.messageId, readAt: 7n });
  });

  it('comes for the first of many tries, where the relay kept the message and its answer was lost', async () => {
    const { to, readMail } = await worker();
    const asker = talk.party();
    const carrier = carrierOf(asker);
    const tries = 16;
    let tried = 0;
    const box = await outbox(asker, {
      ...carrier,
      carry: async (...message) => {
        tried += 1;
        if (tried === 1 || tried === tries) {
          const carried = await carrier.carry(...message);
          if (tried === tries) return carried;
        }
        throw new RelayError('relay-connection-lost', { details: { endpoint: 'a relay', reason: 'gone' } });
      },
    });
    const receipt = await box.send({ to, body, readReceipt: true });
    await until(async () => {
      box.tryAgain();
      return tried === tries;
    });
    await receipt.reached('finalized');
    await readMail();
    assert.ok((await receipt.read()).messageId);
  });

  it('comes for what went on chain', async () => {
    const folder = cleanup.add(await temporaryFolder(), (made) => made.remove());
    const node = cleanup.add(await startDevChain(), (made) => made.stop());
    const chain = cleanup.add(await connectChain({ endpoints: [node.ws] }), (made) => made.stop());
    const [vault, recipient] = await registered(chain, folder.path, ['sender', 'recipient']);
    assert.ok(vault !== undefined && recipient !== undefined);
    const { store } = talk.party();
    const directory = await directoryOf(recipient);
    const box = cleanup.add(createOutbox({ chain, vault, store, directory, account: payer }), (made) => made.stop());
    await box.start();
    const receipt = await box.send({ to: recipient.identity, body, readReceipt: true, via: 'chain' });
    const { messageId: inReplyTo } = await receipt.reached('finalized');
    const reply = { messageId: `0x${'01'.repeat(32)}`, from: recipient.identity, inReplyTo, sentAt: 7n } as const;
    // Another process of the entity has the inbox.
    assert.equal(await openOutboxQueue(store).noteReply(reply), true);
    assert.deepEqual(await receipt.read(), { messageId: reply.messageId, readAt: 7n });
  });

  it('is taken from the recipient alone, and for what was asked about', async () => {
    const neighbour = talk.party();
    const { to, party, relay, readMail } = await worker(neighbour);
    await talk.register(neighbour, [relay.url]);
    const asker = talk.party();
    const carrier = carrierOf(asker);
    const passedOver: (readonly [from: Hex, inReplyTo: Hex])[] = [];
    const box = await outbox(asker, {
      ...carrier,
      awaitReplies: async (place, take, signal) =>
        carrier.awaitReplies?.(
          place,
          async (reply) => {
            const isTaken = await take(reply);
            if (!isTaken) passedOver.push([reply.from, reply.inReplyTo]);
            return isTaken;
          },
          signal,
        ),
    });
    const receipt = await box.send({ to, body, readReceipt: true });
    const arrival = await receipt.reached('finalized');
    const from = talk.party().vault.identity;
    const reply = { messageId: `0x${'01'.repeat(32)}`, sentAt: 0n, inReplyTo: arrival.messageId } as const;
    assert.equal(await box.noteReply({ ...reply, from }), false);
    assert.equal(await box.noteReply({ ...reply, from: to, inReplyTo: reply.messageId }), false);

    // What the relay lets into the box, by someone else whose mail it takes or about something else, is passed over.
    const [key] = await asker.vault.ecdhKeys();
    const leave = async ({ vault, store, client }: Party, inReplyTo: Hex): Promise<void> => {
      const sender = { vault, store, genesisHash: talk.genesisHash, directory: talk.peers };
      const answer = { kind: 'reply', inReplyTo, content: utf8('') } as const;
      const recipientKey = key?.publicKey ?? new Uint8Array();
      const { envelope } = await sealMessage(sender, { to: asker.vault.identity, body: answer, recipientKey });
      const signed = await signMessage(vault, talk.genesisHash, envelope);
      const prover = { identity: vault.identity, sign: vault.sign.bind(vault) };
      await client.postReply(signed, relay.url, prover);
    };
    const another: Hex = `0x${'02'.repeat(32)}`;
    await leave(party, another);
    await leave(neighbour, arrival.messageId);
    await until(() => passedOver.length >= 2);
    assert.deepEqual(passedOver, [
      [to, another],
      [neighbour.vault.identity, arrival.messageId],
    ]);
    assert.deepEqual(await reads(box), [undefined]);
    await readMail();
    assert.ok((await receipt.read()).messageId);
  });

  it('is not waited for where it was not asked for, where nobody could read it, and after a failure', async () => {
    const { to } = await worker();
    const box = await outbox(talk.party());
    await rejected((await box.send({ to, body })).read(), 'no-read-receipt');
    await rejected(box.send({ to, body, readReceipt: true, freshKey: true }), 'bad-value');
    await rejected(box.send({ to, body, readReceipt: true, as: 'account' }), 'bad-value');
    const lost = talk.party();
    await talk.register(lost, ['http://127.0.0.1:1']);
    const receipt = await box.send({ to: lost.vault.identity, body, readReceipt: true });
    const reading = receipt.read();
    await until(async () =>
      box.cancel(receipt.sendId).then(
        () => true,
        () => false,
      ),
    );
    await rejected(reading, 'send-cancelled');
    const patience = new AbortController();
    const waiting = (await box.send({ to, body, readReceipt: true })).read(patience.signal);
    patience.abort();
    await rejected(waiting, 'aborted');
  });
});
