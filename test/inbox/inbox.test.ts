import assert from 'node:assert/strict';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import type { Messages } from '../../src/chain/messages/messages.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { sealMessage, type Sender } from '../../src/channel/index.ts';
import { encodeEnvelope, fromHex, messageId, toHex, topicOf, Writer, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import type { RelayError } from '../../src/errors/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openLmdbStore, openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';
import { freePort } from '../support/free-port.ts';
import { replacing } from '../support/replacing.ts';
import { until } from '../support/until.ts';
import { currentKey } from '../support/vaults.ts';

describe('inbox', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;
  let store: TransactionalStore;
  let sending: Sender;
  let stores = 0;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag: 3 });
    chain = await connectChain({ endpoints: [dev.ws] });
    const vaults = registered(chain, folder.path, ['a', 'b']);
    await dev.newBlock({ count: 4 });
    [sender, recipient] = (await vaults) as [Vault, Vault];
  });

  beforeEach(async () => {
    store = await openLmdbStore({ path: join(folder.path, `store-${stores++}`) });
    const directory = await directoryOf(recipient);
    sending = { vault: sender, genesisHash: chain.genesisHash, store, directory };
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    await store.close();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function started(options: Partial<InboxOptions> = {}): Promise<Inbox> {
    const inbox = createInbox({ chain, vault: recipient, store, ...options });
    open.push(inbox);
    await inbox.start();
    await inbox.ready;
    return inbox;
  }

  async function sealed(text: string, account?: Hex, nonce?: bigint): Promise<Uint8Array> {
    const outgoing = {
      to: recipient.identity,
      body: { kind: 'data', content: utf8(text) } as const,
      ...(account === undefined ? {} : { account }),
      ...(nonce === undefined ? {} : { nonce }),
    };
    return (await sealMessage(sending, outgoing)).envelope;
  }

  async function post(...payloads: Uint8Array[]): Promise<void> {
    const destination = topicOf(recipient.identity);
    await chain.submit(
      payloads.map((payload) => ({ kind: 'push-message', destination, payload })),
      alice,
    );
  }

  async function send(...texts: string[]): Promise<void> {
    for (const text of texts) await post(await sealed(text, alice.id));
  }

  /** Finalizes what is in the best block. */
  async function finalize(): Promise<void> {
    await dev.newBlock({ count: 3 });
  }

  it('delivers what was posted after it was ready, once it is finalized', async () => {
    const inbox = await started();
    const probe = new InboxProbe(inbox);
    await send('one', 'two');
    await finalize();
    await probe.until(() => probe.deliveries.length === 2);
    assert.deepEqual(probe.texts, ['one', 'two']);
    const [first] = probe.deliveries;
    assert.equal(first?.from, alice.id);
    assert.equal(first.fromKind, 'account');
    assert.equal(first.via, 'chain');
    assert.equal(first.to, recipient.identity);
  });

  it('goes on after a restart where it was, acknowledged messages excepted', async () => {
    const first = await started();
    const probe = new InboxProbe(first, { acknowledges: false });
    await send('kept', 'done');
    await finalize();
    await probe.until(() => probe.deliveries.length === 2);
    await probe.deliveries[1]?.ack();
    await first.stop();
    await send('missed');
    await finalize();
    const again = new InboxProbe(await started());
    await again.until(() => again.deliveries.length === 2);
    assert.deepEqual(again.texts, ['kept', 'missed']);
  });

  it('delivers a message once, however often it is posted and sealed', async () => {
    const probe = new InboxProbe(await started());
    const envelope = await sealed('once', alice.id);
    const { nonce } = await sealMessage(sending, {
      to: recipient.identity,
      body: { kind: 'data', content: utf8('unused') },
      account: alice.id,
    });
    await post(envelope, envelope);
    await post(envelope);
    await post(await sealed('sealed again', alice.id, nonce));
    await post(await sealed('sealed again', alice.id, nonce));
    await send('last');
    await finalize();
    await probe.until(() => probe.texts.includes('last'));
    assert.deepEqual(probe.texts, ['once', 'sealed again', 'last']);
  });

  it('shares one replay window between chain and relay', async () => {
    const inbox = await started();
    const probe = new InboxProbe(inbox);
    const envelope = await sealed('both ways');
    assert.equal(await inbox.accept(envelope), 'accepted');
    assert.equal(await inbox.accept(envelope), 'duplicate');
    await chain.submit([await workerCall(envelope)], bob);
    await send('after');
    await finalize();
    await probe.until(() => probe.texts.includes('after'));
    assert.deepEqual(probe.texts, ['both ways', 'after']);
    assert.equal(probe.deliveries[0]?.via, 'relay');
  });

  async function workerCall(payload: Uint8Array, worker = sender) {
    const destination = topicOf(recipient.identity);
    const { hash } = await chain.bestHead();
    const sequence = await chain.at(hash).ingressSequence(worker.identity);
    const signature = await worker.sign({ type: 'worker-message', destination, payload, sequence });
    return {
      kind: 'sync-offchain-message',
      worker: worker.identity,
      destination,
      payload,
      sequence,
      signature,
    } as const;
  }

  it('buries what can not be delivered, with its reason, and goes on', async () => {
    const probe = new InboxProbe(await started());
    const garbage = utf8('not an envelope');
    const altered = (await sealed('altered', alice.id)).map((byte, i, all) => (i === all.length - 1 ? byte ^ 1 : byte));
    const impersonated = await sealed('as if from the worker');
    const unknownSuite = Uint8Array.of(9, 1, 2, 3);
    // Proves neither sender nor order: on a topic of ours it is not asked for.
    const ofPhala = encodeEnvelope({
      suite: 'phala',
      iv: new Uint8Array(12),
      pubkey: await currentKey(recipient),
      data: new Uint8Array(32),
    });
    await post(garbage, altered, impersonated, unknownSuite, ofPhala);
    await send('fine');
    await finalize();
    await probe.until(() => probe.texts.includes('fine'));
    const codes = probe.events.flatMap((event) => (event.type === 'dead' ? [event.code] : []));
    assert.deepEqual(codes.toSorted(), [
      ...['open-failed', 'sender-not-proven', 'suite-unsupported', 'unknown-variant', 'unknown-variant'],
    ]);
    assert.deepEqual(probe.texts, ['fine']);
    const letters = await deadLettersOf(store);
    assert.deepEqual(letters.map(({ code }) => code).toSorted(), codes.toSorted());
    assert.deepEqual(letters[0]?.envelope, garbage);
  });

  it('buries what another than its sender posts, and what is for another entity; the sender itself still gets through', async () => {
    const probe = new InboxProbe(await started());
    const ofBob = await sealed('of bob', bob.id);
    const ofWorker = await sealed('of a worker');
    const body = { kind: 'data', content: utf8('for alice') } as const;
    const recipientKey = await currentKey(recipient);
    const { envelope: forAlice } = await sealMessage(sending, { to: alice.id, body, recipientKey, account: alice.id });
    await queueAsContract(await sealed('of an account', alice.id));
    await post(ofBob, forAlice);
    await chain.submit([await workerCall(ofWorker, recipient)], alice);
    // Those buried took no nonce.
    await chain.submit([{ kind: 'push-message', destination: topicOf(recipient.identity), payload: ofBob }], bob);
    await chain.submit([await workerCall(ofWorker)], alice);
    await finalize();
    await probe.until(() => probe.texts.includes('of a worker'));
    assert.deepEqual(probe.texts, ['of bob', 'of a worker']);
    assert.deepEqual(
      probe.deliveries.map(({ from }) => from),
      [bob.id, sender.identity],
    );
    const codes = (await deadLettersOf(store)).map(({ code }) => code);
    assert.deepEqual(codes.toSorted(), ['not-for-us', ...Array.from({ length: 3 }, () => 'sender-not-proven')]);
  });

  /** The next block posts it as that of a contract. */
  async function queueAsContract(payload: Uint8Array): Promise<void> {
    const contract = new Writer().u8(1).raw(fromHex(bob.id));
    const message = contract.bytes(topicOf(recipient.identity)).bytes(payload).finish();
    const one = Uint8Array.of(1 << 2, ...message);
    await dev.setStorage([[storagePrefix('PhalaMq', 'QueuedOutboundMessage'), toHex(one)]]);
  }

  it('puts aside what came to an erased epoch, and says so by both ways', async () => {
    const [vault] = (await registered(chain, folder.path, ['erasing'])) as [Vault];
    const late: Sender = { ...sending, directory: await directoryOf(vault) };
    const body = { kind: 'data', content: utf8('too late') } as const;
    const { envelope } = await sealMessage(late, { to: vault.identity, body });
    await vault.activate((await vault.rotate()).epoch);
    await vault.erase({ retiredBefore: Date.now() });
    await finalize();
    const inbox = await started({ vault });
    const probe = new InboxProbe(inbox);
    await chain.submit([{ kind: 'push-message', destination: topicOf(vault.identity), payload: envelope }], alice);
    await finalize();
    await probe.until(() => probe.events.some(({ type }) => type === 'dead'));
    assert.deepEqual(
      (await deadLettersOf(store)).map(({ code }) => code),
      ['epoch-erased'],
    );
    await assert.rejects(inbox.accept(envelope), { code: 'epoch-erased' });
    await vault.close();
  });

  it('refuses off-chain messages from another time, for another entity, or as an account', async () => {
    const inbox = await started();
    const past: Sender = { ...sending, now: () => Date.now() - 11 * 60_000 };
    const body = { kind: 'data', content: utf8('late') } as const;
    const { envelope } = await sealMessage(past, { to: recipient.identity, body });
    await assert.rejects(inbox.accept(envelope), { code: 'clock-skew' });
    assert.equal(await inbox.accept(envelope, { skipClockCheck: true }), 'accepted');
    const forSomeoneElse = { to: alice.id, body, recipientKey: (await recipient.ecdhKeys())[0]?.publicKey ?? utf8('') };
    const { envelope: misdirected } = await sealMessage(sending, forSomeoneElse);
    await assert.rejects(inbox.accept(misdirected), { code: 'not-for-us' });
    await assert.rejects(inbox.accept(await sealed('x', alice.id)), { code: 'sender-not-proven' });
    await assert.rejects(inbox.accept(utf8('garbage')), { code: 'unknown-variant' });
  });

  it('hands out 512 deliveries of one sender that nobody has acknowledged, no more, and all of it in the end', async () => {
    const inbox = await started({ store: openMemoryStore() });
    const total = 1_100;
    const envelopes: Uint8Array[] = [];
    for (let i = 0; i < total; i++) envelopes.push(await sealed(String(i)));
    const last = envelopes.pop();
    assert.ok(last);
    await Promise.all(envelopes.map((envelope) => inbox.accept(envelope)));
    const probe = new InboxProbe(inbox, { acknowledges: false });
    await probe.until(() => probe.deliveries.length >= 512);
    // What is accepted next is offered to the subscriber before this resolves.
    await inbox.accept(last);
    assert.equal(probe.deliveries.length, 512);
    for (let done = 0; done < total; done++) {
      await probe.until(() => probe.deliveries.length > done);
      assert.ok(probe.deliveries.length - done <= 512, `${probe.deliveries.length} after ${done}`);
      await probe.deliveries[done]?.ack();
    }
    assert.deepEqual(
      probe.texts,
      Array.from({ length: total }, (_, i) => String(i)),
    );
  });

  it('hands out no more than 8 MiB of one sender before they are acknowledged', async () => {
    const inbox = await started({ store: openMemoryStore() });
    const large = 'm'.repeat(3 * 2 ** 20);
    for (let i = 0; i < 7; i++) await inbox.accept(await sealed(large));
    const probe = new InboxProbe(inbox, { acknowledges: false });
    await probe.until(() => probe.deliveries.length >= 3);
    await inbox.accept(await sealed('behind them'));
    // The third is the first that finds 6 MiB, the fourth would find more than 8.
    assert.equal(probe.deliveries.length, 3);
    for (let done = 0; done < 8; done++) {
      await probe.until(() => probe.deliveries.length > done);
      assert.ok(probe.deliveries.length - done <= 3, `${probe.deliveries.length} after ${done}`);
      await probe.deliveries[done]?.ack();
    }
    assert.deepEqual(
      probe.texts.map(({ length }) => length),
      [...Array.from({ length: 7 }, () => large.length), 'behind them'.length],
    );
  });

  it('says which block it reads first where none was given and nothing read before, and that one given later counts for nothing', async () => {
    const notices: RelayError[] = [];
    const onNotice = (notice: RelayError): void => void notices.push(notice);
    const { number } = await chain.finalizedHead();
    await using fresh = openMemoryStore();
    await (await started({ from: number, store: fresh, onNotice })).stop();
    assert.deepEqual(notices, []);
    await (await started({ onNotice })).stop();
    assert.deepEqual(
      notices.splice(0).map(({ code, details }) => [code, details]),
      [['reading-from', { block: number + 1 }]],
    );
    const cursor = await new InboxStore(store).cursor();
    assert.ok(cursor !== undefined);
    // Nothing is passed over: it goes on where it is told to begin.
    await (await started({ from: cursor.number + 1, onNotice })).stop();
    assert.equal(notices.length, 0);
    await (await started({ from: 1, onNotice })).stop();
    assert.deepEqual(
      notices.map(({ code, details }) => [code, details]),
      [['already-read', { block: cursor.number, from: 1 }]],
    );
  });

  it('serves one subscriber at a time', async () => {
    const inbox = await started();
    const probe = new InboxProbe(inbox);
    const second = new InboxProbe(inbox);
    await assert.rejects(
      second.until(() => false),
      { code: 'inbox-subscribed' },
    );
    probe.stop();
    const third = new InboxProbe(inbox);
    await inbox.accept(await sealed('third'));
    await third.until(() => third.texts.includes('third'));
  });

  it('refuses the store of another chain', async () => {
    await (await started()).stop();
    const other = { ...chain, genesisHash: `0x${'11'.repeat(32)}` } as const;
    await assert.rejects(createInbox({ chain: other, vault: recipient, store }).start(), {
      code: 'store-of-another-chain',
    });
  });

  it('refuses to go on with a cursor that the chain does not have, as after a restart of a development chain', async () => {
    await (await started()).stop();
    const present = new InboxStore(store);
    const cursor = await present.cursor();
    assert.ok(cursor !== undefined);
    for (const lost of [
      { ...cursor, hash: `0x${'11'.repeat(32)}` as const },
      { ...cursor, number: cursor.number + 1_000 },
    ]) {
      await present.commit([present.cursorWrite(lost)]);
      const again = createInbox({ chain, vault: recipient, store });
      await assert.rejects(again.start(), { code: 'cursor-not-on-chain' });
      await assert.rejects(again.ready, { code: 'cursor-not-on-chain' });
    }
  });

  it('ends when the chain is started again under it and grows past where it was', async () => {
    const port = await freePort();
    const first = await startDevChain({ port });
    const connection = await connectChain({ endpoints: [first.ws] });
    open.push(connection);
    const memory = openMemoryStore();
    const inbox = createInbox({ chain: connection, vault: recipient, store: memory });
    open.push(inbox);
    await inbox.start();
    await inbox.ready;
    const probe = new InboxProbe(inbox);
    const { number } = await first.newBlock();
    await until(async () => (await new InboxStore(memory).cursor())?.number === number);
    await first.stop();
    const second = await startDevChain({ port });
    open.push(second);
    await second.newBlock({ count: 3 });
    await assert.rejects(
      probe.until(() => false),
      /no such block|not what was seen/,
    );
  });

  it('refuses to begin at a block yet to come', async () => {
    await assert.rejects(createInbox({ chain, vault: recipient, store, from: 999_999 }).start(), { code: 'bad-value' });
  });

  it('refuses options that it could not go by, by their names', () => {
    const wrong: Record<string, readonly unknown[]> = {
      finality: ['Best', null],
      from: [-5, 1.5, NaN, Infinity, '3'],
      onGap: ['Skip'],
      retentionMs: [0, -1, NaN, 1.5],
      'inFlight.count': [0, NaN],
      'inFlight.bytes': [0, NaN],
    };
    for (const [name, values] of Object.entries(wrong))
      for (const value of values) {
        const [option = '', part] = name.split('.');
        const given = part === undefined ? value : { count: 1, bytes: 1, [part]: value };
        const options = { chain, vault: recipient, store, [option]: given };
        assert.throws(
          () => createInbox(options),
          (error: RelayError) => error.code === 'bad-value' && error.details?.['what'] === name,
          `${name}: ${String(value)}`,
        );
      }
  });

  it('refuses to handle fewer than one message at a time', async () => {
    const inbox = await started();
    for (const concurrency of [0, -1, NaN, 1.5])
      await assert.rejects(
        inbox.handle(() => undefined, { concurrency }),
        { code: 'bad-value' },
      );
  });

  for (const isStarted of [true, false])
    it(`is never ready where it is stopped ${isStarted ? 'while older blocks are to be read' : 'and was never started'}`, async () => {
      const inbox = createInbox({ chain, vault: recipient, store, from: 1 });
      if (isStarted) await inbox.start();
      await inbox.stop();
      // Who never asks is told of nothing unhandled.
      await new Promise(setImmediate);
      await assert.rejects(inbox.ready, { code: 'aborted' });
    });

  it('tells who subscribes too late how it ended', async () => {
    const inbox = await started();
    await inbox.stop();
    await lastValueFrom(inbox.events$, { defaultValue: undefined });
    const broken = openMemoryStore();
    const failing = createInbox({ chain, vault: recipient, store: broken });
    open.push(failing);
    await failing.start();
    await failing.ready;
    await broken.close();
    await send('can not be stored');
    await finalize();
    const { number } = await chain.finalizedHead();
    await firstValueFrom(chain.finalizedHeads$({ from: number }));
    await assert.rejects(lastValueFrom(failing.events$), { code: 'store-closed' });
  });

  for (const isReading of [true, false])
    it(`reads nothing more once its stream has failed, ${isReading ? 'as it read' : 'before it began to'}`, async () => {
      const first = await started();
      await first.accept(await sealed('kept'));
      await first.stop();
      const openAll: Vault['openAll'] = () => Promise.reject(new Error('gone'));
      const signals: (AbortSignal | undefined)[] = [];
      const follow: Messages['follow'] = (from, options, signal) => {
        signals.push(signal);
        return chain.messages.follow(from, options, signal);
      };
      const messages = replacing(chain.messages, { follow });
      const failing = createInbox({
        ...{ chain: replacing(chain, { messages }), store },
        vault: replacing(recipient, { openAll }),
      });
      open.push(failing);
      if (isReading) {
        await failing.start();
        await until(() => signals.length === 1);
      }
      await assert.rejects(lastValueFrom(failing.events$), { code: 'inbox-stopped' });
      if (!isReading) {
        await failing.start();
        await assert.rejects(failing.ready, { code: 'inbox-stopped' });
      }
      assert.deepEqual(
        signals.map((signal) => signal?.aborted),
        isReading ? [true] : [],
      );
    });

  it('reads from a given block where it has no cursor', async () => {
    const { number } = await chain.bestHead();
    await send('before it listened');
    await finalize();
    const probe = new InboxProbe(await started({ from: number + 1 }));
    await probe.until(() => probe.texts.includes('before it listened'));
  });

  describe('with finality best', () => {
    it('delivers early, retracts on a reorg and reinstates what comes back', async () => {
      const probe = new InboxProbe(await started({ finality: 'best' }));
      const { number } = await chain.bestHead();
      const envelope = await sealed('early', alice.id);
      const id = messageId({ genesisHash: chain.genesisHash, envelope });
      await post(envelope);
      await probe.until(() => probe.texts.includes('early'));
      // A node puts the extrinsics of retracted blocks back into its pool: the next blocks carry them again.
      await dev.reorg(number, { resubmit: true });
      await dev.newBlock({ count: 2 });
      await probe.until(() => probe.events.some(({ type }) => type === 'retracted'));
      await probe.until(() => probe.events.some(({ type }) => type === 'reinstated'));
      assert.deepEqual(
        probe.events.map((event) => (event.type === 'message' ? event.delivery.messageId : event)),
        [id, { type: 'retracted', messageId: id }, { type: 'reinstated', messageId: id }],
      );
    });

    it('does not repeat after a restart what was acknowledged before it was final', async () => {
      const first = await started({ finality: 'best' });
      const probe = new InboxProbe(first);
      await send('acknowledged early');
      await probe.until(() => probe.texts.includes('acknowledged early'));
      await first.stop();
      const again = new InboxProbe(await started({ finality: 'best' }));
      await send('next');
      await again.until(() => again.texts.includes('next'));
      await finalize();
      assert.deepEqual(again.texts, ['next']);
    });

    it('retracts after a restart what a reorg removed meanwhile', async () => {
      const first = await started({ finality: 'best' });
      const probe = new InboxProbe(first);
      const { number } = await chain.bestHead();
      await send('removed');
      await probe.until(() => probe.texts.includes('removed'));
      await first.stop();
      await dev.reorg(number);
      await dev.newBlock({ count: 2, empty: true });
      const again = new InboxProbe(await started({ finality: 'best' }));
      await again.until(() => again.events.some(({ type }) => type === 'retracted'));
    });
  });
});
