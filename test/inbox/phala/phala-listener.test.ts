import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type Call, type Chain } from '../../../src/chain/index.ts';
import type { Messages } from '../../../src/chain/messages/messages.ts';
import {
  contractTopic,
  decodeCommandPayload,
  encodeCommandPayload,
  encodeEncryptedData,
  fromHex,
  toHex,
  topicOf,
  Writer,
  type Hex,
} from '../../../src/codec/index.ts';
import { agree, keyPairFromSeed, openPhala, ready, sealPhala } from '../../../src/crypto/index.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import { RelayError } from '../../../src/errors/index.ts';
import {
  createPhalaListener,
  type PhalaDelivery,
  type PhalaEvent,
  type PhalaListenerOptions,
} from '../../../src/inbox/index.ts';
import { createOutbox, type PhalaCommand } from '../../../src/outbox/index.ts';
import { openLmdbStore, openMemoryStore, type TransactionalStore } from '../../../src/store/index.ts';
import type { Vault } from '../../../src/vault/index.ts';
import { openWallet, type Wallet } from '../../chain/support.ts';
import { alice, bob, directoryOf, newVault, temporaryFolder, utf8 } from '../../support/entities.ts';
import { replacing } from '../../support/replacing.ts';
import { rejected } from '../../support/expect-error.ts';
import { until } from '../../support/until.ts';
import { currentKey } from '../../support/vaults.ts';

const contract: Hex = `0x${'c0'.repeat(32)}`;
const topic = contractTopic(contract);
const other = utf8('another/topic');

describe('the phala suite on topics of contracts', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let wallet: Wallet;
  let vault: Vault;
  let store: TransactionalStore;
  let stores = 0;
  const open: AsyncDisposable[] = [];

  before(async () => {
    await ready();
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag: 2 });
    chain = await connectChain({ endpoints: [dev.ws] });
    wallet = await openWallet(dev.ws);
    vault = await newVault(folder.path, 'vault');
  });
  beforeEach(async () => {
    store = await openLmdbStore({ path: join(folder.path, `store-${stores++}`) });
  });
  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    await store.close();
  });
  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  interface Heard {
    readonly events: readonly PhalaEvent[];
    readonly deliveries: () => PhalaDelivery[];
    readonly failure: () => unknown;
  }

  async function listening(options: Partial<PhalaListenerOptions> = {}, acknowledges = true): Promise<Heard> {
    const listener = createPhalaListener({ chain, vault, store, topics: [topic, other], ...options });
    open.push(listener);
    await listener.start();
    await listener.ready;
    const events: PhalaEvent[] = [];
    let failure: unknown;
    listener.events$.subscribe({
      next: (event) => {
        events.push(event);
        if (acknowledges && event.type === 'message') void event.delivery.ack();
      },
      error: (error: unknown) => (failure = error),
    });
    const deliveries = () => events.flatMap((event) => (event.type === 'message' ? [event.delivery] : []));
    return { events, deliveries, failure: () => failure };
  }

  async function post(...payloads: readonly (readonly [Uint8Array, Uint8Array])[]): Promise<void> {
    const calls = payloads.map(([destination, payload]): Call => ({ kind: 'push-message', destination, payload }));
    await chain.submit(calls, alice);
  }

  const finalize = () => dev.newBlock({ count: 2 });
  const sealed = async (text: string): Promise<Uint8Array> => {
    const secret = keyPairFromSeed(new Uint8Array(32).fill(9));
    const z = agree(secret.secretKey, await currentKey(vault));
    const data = sealPhala({ z, iv: new Uint8Array(12).fill(stores), pubkey: secret.publicKey, data: utf8(text) });
    // As @phala/sdk does: CommandPayload::Encrypted(EncryptedData).
    return Uint8Array.of(1, ...data);
  };
  const text = ({ content }: PhalaDelivery): string => new TextDecoder().decode(content);

  it('delivers what was sealed to the entity, says that it is of suite phala, who posted it and which key it claims', async () => {
    const heard = await listening();
    await post([topic, await sealed('command')], [other, await sealed('elsewhere')]);
    await finalize();
    await until(() => heard.deliveries().length === 2);
    const [first, second] = heard.deliveries();
    assert.deepEqual(
      [first?.suite, first?.encrypted, first?.fromKind, first?.from],
      ['phala', true, 'account', alice.id],
    );
    assert.deepEqual([text(first!), toHex(first!.topic)], ['command', toHex(topic)]);
    assert.deepEqual(first?.senderKey, keyPairFromSeed(new Uint8Array(32).fill(9)).publicKey);
    assert.deepEqual([text(second!), toHex(second!.topic)], ['elsewhere', toHex(other)]);
  });

  it('shows a plain payload as plain', async () => {
    const heard = await listening();
    await post([topic, encodeCommandPayload({ kind: 'plain', content: utf8('for all') })]);
    await finalize();
    await until(() => heard.deliveries().length === 1);
    const [delivery] = heard.deliveries();
    assert.deepEqual([text(delivery!), delivery?.encrypted, delivery?.senderKey], ['for all', false, undefined]);
  });

  it('forgets what it had not handed out of a block that one node made up, and delivers what stands in its place', async () => {
    const after = await chain.finalizedHead();
    await post([topic, encodeCommandPayload({ kind: 'plain', content: utf8('there') })]);
    await finalize();
    await dev.newBlock();
    let retractions = 0;
    async function* follow(...[from, options, signal]: Parameters<Messages['follow']>): ReturnType<Messages['follow']> {
      for await (const span of chain.messages.follow(from, options, signal)) {
        if (span.type === 'blocks' && span.messages.length > 0 && retractions++ === 0) {
          const forged = span.messages.map((message) => ({
            ...message,
            payload: encodeCommandPayload({ kind: 'plain', content: utf8('forged') }),
          }));
          const { number } = span.messages[0]!.block;
          yield { ...span, through: { number, hash: `0x${'0a'.repeat(32)}` }, messages: forged };
          yield { type: 'retracted', through: from };
        }
        yield span;
      }
      throw new Error('it never ends');
    }
    const heard = await listening({
      chain: replacing(chain, { messages: replacing(chain.messages, { follow }) }),
      from: after.number + 1,
    });
    await until(() => heard.deliveries().length > 0);
    assert.equal(retractions, 1);
    await post([topic, await sealed('later')]);
    await finalize();
    await until(() => heard.deliveries().length > 1);
    assert.deepEqual(heard.deliveries().map(text), ['there', 'later']);
  });

  for (const [what, refusals] of [
    ['is ready as soon as what is left is all that there is', 0],
    ['waits for a node where none is reached just after what one made up was taken back', 1],
  ] as const)
    it(what, async () => {
      const newest = await chain.finalizedHead();
      let isLying = true;
      let asked = 0;
      const finalizedHead: Chain['finalizedHead'] = async () => {
        if (isLying) return { ...newest, number: newest.number + 1_000 };
        if (asked++ < refusals)
          throw new RelayError('chain-unreachable', { details: { urls: dev.ws, reason: 'it moves' } });
        return newest;
      };
      async function* follow(): ReturnType<Messages['follow']> {
        isLying = false;
        yield { type: 'retracted', through: newest };
        throw new Error('it reads on');
      }
      const messages = replacing(chain.messages, { follow });
      await listening({
        ...{ chain: replacing(chain, { messages, finalizedHead }), verify: false },
        from: newest.number + 1,
      });
      assert.equal(asked, refusals + 1);
    });

  it('hands out nothing more of a page, nor what it is opening, once it knows that one node made it up', async () => {
    const after = await chain.finalizedHead();
    await post([topic, await sealed('there')]);
    await finalize();
    await dev.newBlock();
    const forged = [await sealed('forged'), await sealed('forged too')];
    let openings = 0;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const slow = replacing(vault, {
      openPhala: async (data) => {
        if (++openings === 2) await released;
        return vault.openPhala(data);
      },
    });
    let isForged = false;
    async function* follow(...args: Parameters<Messages['follow']>): ReturnType<Messages['follow']> {
      for await (const span of chain.messages.follow(...args)) {
        yield span;
        if (isForged || span.type !== 'blocks' || span.messages.length === 0) continue;
        isForged = true;
        const block = { number: span.through.number + 1, hash: `0x${'0a'.repeat(32)}` } as const;
        const messages = forged.map((payload) => ({ ...span.messages[0]!, block, payload }));
        yield { type: 'blocks', through: block, messages };
        await until(() => openings === 2);
        // The listener comes to what is told here before.
        setImmediate(release);
        yield { type: 'retracted', through: span.through };
      }
      throw new Error('it never ends');
    }
    const heard = await listening({
      chain: replacing(chain, { messages: replacing(chain.messages, { follow }) }),
      vault: slow,
      from: after.number + 1,
    });
    await until(() => openings === 2);
    await post([topic, await sealed('later')]);
    await finalize();
    await until(() => heard.deliveries().map(text).includes('later'));
    assert.deepEqual(heard.deliveries().map(text), ['there', 'later']);
  });

  it('ends the stream with the reason where it does not start', async () => {
    const listener = createPhalaListener({ chain, vault, store, topics: [topic], from: 1_000_000 });
    open.push(listener);
    let failure: unknown;
    listener.events$.subscribe({ error: (error: unknown) => (failure = error) });
    const reason = await rejected(listener.start(), 'bad-value');
    assert.equal(failure, reason);
    assert.equal(await rejected(listener.ready, 'bad-value'), reason);
  });

  it('tells of what it can not read, once, and goes on', async () => {
    const heard = await listening();
    const strange = encodeEncryptedData({
      iv: new Uint8Array(12),
      pubkey: new Uint8Array(32),
      data: new Uint8Array(20),
    });
    await post([topic, Uint8Array.of(7)], [topic, Uint8Array.of(1, ...strange)], [topic, new Uint8Array()]);
    await post([topic, await sealed('after')]);
    await finalize();
    await until(() => heard.deliveries().length === 1);
    const codes = heard.events.flatMap((event) => (event.type === 'dead' ? [event.code] : []));
    assert.deepEqual(codes, ['unknown-variant', 'bad-public-key', 'truncated']);
  });

  it('delivers after a restart what was not acknowledged and what came meanwhile, and nothing else', async () => {
    const first = await listening({}, false);
    await post([topic, await sealed('kept')], [topic, await sealed('done')]);
    await finalize();
    await until(() => first.deliveries().length === 2);
    await first.deliveries()[1]?.ack();
    await open.pop()?.[Symbol.asyncDispose]();
    await post([topic, await sealed('missed')]);
    await finalize();
    const again = await listening();
    await until(() => again.deliveries().length === 2);
    assert.deepEqual(again.deliveries().map(text), ['kept', 'missed']);
  });

  it('hands out no more than some megabytes before they are acknowledged', async () => {
    const heard = await listening({}, false);
    const content = new Uint8Array(3 * 2 ** 20);
    for (let i = 0; i < 8; i++) await post([topic, encodeCommandPayload({ kind: 'plain', content })]);
    await finalize();
    // The sixth is the first that finds 15 MiB, the seventh would find more than 16.
    await until(() => heard.deliveries().length === 6);
    await heard.deliveries()[0]?.ack();
    await until(() => heard.deliveries().length === 7);
    await heard.deliveries()[1]?.ack();
    await until(() => heard.deliveries().length === 8);
    assert.equal(new Set(heard.deliveries().map(({ block }) => block)).size, 8);
  });

  it('goes on after the store failed at acknowledgements, which are made again', async () => {
    const limit = 256;
    let isFull = false;
    const failing = replacing(store, {
      commit: async (...change) => {
        if (isFull) throw new RelayError('store-failed', { details: { path: 'a store', reason: 'disk full' } });
        return store.commit(...change);
      },
    });
    const heard = await listening({ store: failing }, false);
    const payload = encodeCommandPayload({ kind: 'plain', content: utf8('one of many') });
    await post(...Array.from({ length: limit + 2 }, () => [topic, payload] as const));
    await finalize();
    await until(() => heard.deliveries().length === limit);
    isFull = true;
    const acks = heard.deliveries().map((delivery) => rejected(delivery.ack(), 'store-failed'));
    assert.equal((await Promise.all(acks)).length, limit);
    isFull = false;
    for (const delivery of heard.deliveries()) await delivery.ack();
    await until(() => heard.deliveries().length === limit + 2);
    assert.equal(heard.failure(), undefined);
  });

  it('tells whoever subscribes while one for another subscriber is opened, of that too', async () => {
    let opened = 0;
    let goOn: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (goOn = resolve));
    const slow = replacing(vault, {
      openPhala: async (data) => {
        opened++;
        await released;
        return vault.openPhala(data);
      },
    });
    await using listener = createPhalaListener({ chain, vault: slow, store, topics: [topic] });
    await listener.start();
    const [first, second]: [PhalaEvent[], PhalaEvent[]] = [[], []];
    const subscription = listener.events$.subscribe((event) => first.push(event));
    const data = encodeEncryptedData({ iv: new Uint8Array(12), pubkey: new Uint8Array(32), data: new Uint8Array(20) });
    await post([topic, Uint8Array.of(1, ...data)], [topic, await sealed('behind it')]);
    await finalize();
    await until(() => opened === 1);
    subscription.unsubscribe();
    listener.events$.subscribe((event) => second.push(event));
    goOn();
    await until(() => second.some(({ type }) => type === 'message'));
    assert.deepEqual([first, second.map(({ type }) => type)], [[], ['dead', 'message']]);
  });

  it('lets the store finish what it writes when it is stopped while one is opened', async () => {
    let opened = 0;
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const slow = replacing(vault, {
      openPhala: async (data) => {
        opened++;
        await released;
        return vault.openPhala(data);
      },
    });
    let isWriting = false;
    const slowStore = replacing(store, {
      commit: async (...change) => {
        if (opened > 0) {
          isWriting = true;
          await released;
          // Not before all that goes on without waiting for anything.
          await new Promise(setImmediate);
        }
        return store.commit(...change);
      },
    });
    const listener = createPhalaListener({ chain, vault: slow, store: slowStore, topics: [topic] });
    await listener.start();
    listener.events$.subscribe();
    await post([topic, await sealed('first')]);
    await finalize();
    await until(() => opened === 1);
    await post([topic, await sealed('second')]);
    await finalize();
    await until(() => isWriting);
    const stopped = listener.stop();
    release();
    await stopped;
    assert.equal(opened, 1);
  });

  it('names the contract that posted', async () => {
    const heard = await listening();
    const { api } = wallet;
    const message = new Writer().u8(1).raw(fromHex(contract)).bytes(other).bytes(Uint8Array.of(0, 1)).finish();
    const key = api.query.phalaMq.queuedOutboundMessage.key() as Hex;
    await dev.setStorage([[key, toHex(Uint8Array.of(4, ...message))]]);
    await dev.newBlock();
    await finalize();
    await until(() => heard.deliveries().length === 1);
    assert.deepEqual([heard.deliveries()[0]?.fromKind, heard.deliveries()[0]?.from], ['contract', contract]);
  });

  it('stops at blocks that no endpoint has, or tells of them and goes on', async () => {
    await listening();
    await open.pop()?.[Symbol.asyncDispose]();
    await dev.newBlock({ count: 5 });
    dev.pruneBefore(dev.head.number - 2);
    await rejected(listening(), 'blocks-missing');
    await open.pop()?.[Symbol.asyncDispose]();
    const skipping = await listening({ onGap: 'skip' });
    await until(() => skipping.events.some(({ type }) => type === 'gap'));
  });

  it('begins at another block that is given where nothing was read since the one before it was', async () => {
    await dev.newBlock({ count: 5 });
    const pruned = dev.head.number - 2;
    dev.pruneBefore(pruned);
    const notices: string[] = [];
    const onNotice = ({ code }: RelayError): void => void notices.push(code);
    const begins = async (options: Partial<PhalaListenerOptions>): Promise<void> => {
      await listening({ onNotice, ...options });
      await open.pop()?.[Symbol.asyncDispose]();
    };
    for (const options of [{ from: 1 }, {}, { from: 2 }]) {
      await rejected(begins(options), 'blocks-missing');
      await open.pop()?.[Symbol.asyncDispose]();
    }
    await begins({ from: pruned });
    assert.deepEqual(notices, []);
    // Now something was read.
    await begins({ from: pruned + 1 });
    await begins({ from: 1 });
    await begins({ from: 'head' });
    assert.deepEqual(notices, ['already-read']);
  });

  it('begins at the head where that is given behind a number, and stays with it', async () => {
    await dev.newBlock({ count: 5 });
    dev.pruneBefore(dev.head.number - 2);
    await rejected(listening({ from: 1 }), 'blocks-missing');
    await open.pop()?.[Symbol.asyncDispose]();
    const notices: string[] = [];
    await listening({ from: 'head', onNotice: ({ code }) => void notices.push(code) });
    await open.pop()?.[Symbol.asyncDispose]();
    await listening({ from: 1, onNotice: ({ code }) => void notices.push(code) });
    assert.deepEqual(notices, ['reading-from', 'already-read']);
  });

  it('says which block it reads first where none was given and nothing read before, and that one given later counts for nothing', async () => {
    const notices: RelayError[] = [];
    const onNotice = (notice: RelayError): void => void notices.push(notice);
    await finalize();
    await listening({ onNotice });
    await open.pop()?.[Symbol.asyncDispose]();
    await listening({ from: 1, onGap: 'skip', onNotice });
    assert.deepEqual(
      notices.map(({ code, details }) => [code, details?.['from']]),
      [
        ['reading-from', undefined],
        ['already-read', 1],
      ],
    );
  });

  it('refuses to go on with a cursor that the chain does not have, as after a restart of a development chain', async () => {
    const other_ = await startDevChain();
    open.push(other_);
    await other_.newBlock({ count: 3 });
    const elsewhere = await connectChain({ endpoints: [other_.ws] });
    open.push(elsewhere);
    const listener = createPhalaListener({ chain: elsewhere, vault, store, topics: [topic] });
    await listener.start();
    await listener.ready;
    await listener.stop();
    await rejected(listening(), 'cursor-not-on-chain');
  });

  it('reads nothing more once its stream has failed', async () => {
    const signals: (AbortSignal | undefined)[] = [];
    const follow: Messages['follow'] = (from, options, signal) => {
      signals.push(signal);
      return chain.messages.follow(from, options, signal);
    };
    const messages = replacing(chain.messages, { follow });
    const openPhala: Vault['openPhala'] = () => Promise.reject(new Error('gone'));
    const heard = await listening({ chain: replacing(chain, { messages }), vault: replacing(vault, { openPhala }) });
    assert.deepEqual(
      signals.map((signal) => signal?.aborted),
      [false],
    );
    await post([topic, await sealed('does not open')]);
    await finalize();
    await until(() => heard.failure() !== undefined);
    assert.deepEqual(
      signals.map((signal) => signal?.aborted),
      [true],
    );
  });

  it('refuses options that it could not go by, by their names', () => {
    const wrong = { from: [-7, 1.5, NaN, '3'], onGap: ['skp'] };
    for (const [name, values] of Object.entries(wrong))
      for (const value of values) {
        const options = { chain, vault, store, topics: [topic], [name]: value };
        assert.throws(
          () => createPhalaListener(options),
          (error: RelayError) => error.code === 'bad-value' && error.details?.['what'] === name,
          `${name}: ${value}`,
        );
      }
  });

  for (const isStarted of [true, false])
    it(`is never ready where it is stopped ${isStarted ? 'while older blocks are to be read' : 'and was never started'}`, async () => {
      const listener = createPhalaListener({ chain, vault, store, topics: [topic], from: 1 });
      await dev.newBlock({ count: 5 });
      if (isStarted) await listener.start();
      await listener.stop();
      // Who never asks is told of nothing unhandled.
      await new Promise(setImmediate);
      await assert.rejects(listener.ready, { code: 'aborted' });
    });

  it('is wholly ended when it is stopped while it starts', async () => {
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    let isHeld = false;
    const slow = replacing(chain, {
      finalizedHead: async (signal) => {
        isHeld = true;
        await held;
        return chain.finalizedHead(signal);
      },
    });
    const listener = createPhalaListener({ chain: slow, vault, store, topics: [topic] });
    const starting = listener.start().catch(() => undefined);
    await until(() => isHeld);
    let isStopped = false;
    const stopping = listener.stop().then(() => (isStopped = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isStopped, false, 'it waits for what is under way');
    goOn();
    await stopping;
    const written = await store.entries({ from: Uint8Array.of(0), to: Uint8Array.of(255) });
    await starting;
    await post([topic, await sealed('after the end')]);
    await finalize();
    assert.deepEqual(await store.entries({ from: Uint8Array.of(0), to: Uint8Array.of(255) }), written);
  });

  describe('sending', () => {
    const key = keyPairFromSeed(new Uint8Array(32).fill(3));

    before(async () => {
      await dev.setStorage([[wallet.api.query.phalaRegistry.contractKeys.key(contract) as Hex, toHex(key.publicKey)]]);
    });

    async function send(command: Omit<PhalaCommand, 'suite'>) {
      const directory = new Map<Hex, never>();
      // What another outbox posted for the worker counts once it is final.
      await finalize();
      await using box = createOutbox({ chain, vault, store: openMemoryStore(), directory, account: bob });
      await box.start();
      const receipt = await box.send({ suite: 'phala', ...command });
      return await receipt.reached('inBlock');
    }

    for (const as of ['worker', 'account'] as const)
      it(`seals to the contract's key and posts as ${as}, so that the contract can open it`, async () => {
        const posted = await send({ topic, content: utf8('run'), as });
        const messages = await chain.at(posted.blockHash).outboundMessages();
        const message = messages.find(({ destination }) => toHex(destination) === toHex(topic));
        assert.deepEqual(message?.sender, { kind: as, id: as === 'worker' ? vault.identity : bob.id });
        const command = decodeCommandPayload(message.payload);
        assert.ok(command.kind === 'encrypted');
        const z = agree(key.secretKey, command.pubkey);
        const opened = openPhala({ z, encryptedData: encodeEncryptedData(command) });
        assert.equal(new TextDecoder().decode(opened), 'run');
      });

    it('seals to a key that is given, for any other topic', async () => {
      const heard = await listening();
      const recipientKey = await currentKey(vault);
      await send({ topic: other, content: utf8('back'), recipientKey });
      await finalize();
      await until(() => heard.deliveries().length === 1);
      assert.deepEqual([text(heard.deliveries()[0]!), heard.deliveries()[0]?.fromKind], ['back', 'worker']);
    });

    it("refuses Phala's own topics, a contract without a key, and a topic that the chain would drop", async () => {
      const to = (name: Uint8Array, recipientKey = key.publicKey) =>
        send({ topic: name, content: '0x00', recipientKey });
      await rejected(to(utf8('phala/mining/report')), 'phala-topic');
      await rejected(to(utf8('^phala/mining/update')), 'bad-topic');
      await rejected(to(new Uint8Array()), 'bad-topic');
      const unknown = contractTopic(`0x${'77'.repeat(32)}`);
      await rejected(send({ topic: unknown, content: '0x00' }), 'no-contract-key');
      await rejected(send({ topic: other, content: '0x00' }), 'no-contract-key');
      await rejected(to(other, new Uint8Array(32)), 'bad-public-key');
    });

    it('envelopes of its own never go anywhere but to the topic of their recipient', async () => {
      const directory = await directoryOf(vault);
      const from = await newVault(folder.path, `from-${stores}`);
      await using outbox = createOutbox({ chain, vault: from, store: openMemoryStore(), directory, account: bob });
      await outbox.start();
      const receipt = await outbox.send({ to: vault.identity, body: { kind: 'data', content: '0x00' }, via: 'chain' });
      const { blockHash } = await receipt.reached('inBlock');
      const messages = await chain.at(blockHash).outboundMessages();
      assert.deepEqual(
        messages.map(({ destination }) => toHex(destination)),
        [toHex(topicOf(vault.identity))],
      );
    });
  });
});
