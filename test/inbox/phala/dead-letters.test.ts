import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../../src/chain/index.ts';
import { encodeCommandPayload } from '../../../src/codec/index.ts';
import { agree, keyPairFromSeed, ready, sealPhala } from '../../../src/crypto/index.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import { RelayError } from '../../../src/errors/index.ts';
import {
  createPhalaListener,
  openPhalaFiles,
  type ListedCommand,
  type PhalaDelivery,
  type PhalaEvent,
  type PhalaFiles,
  type PhalaListenerOptions,
} from '../../../src/inbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../../src/store/index.ts';
import { createMemoryVault, type Vault } from '../../../src/vault/index.ts';
import { alice, utf8 } from '../../support/entities.ts';
import { rejected } from '../../support/expect-error.ts';
import { until } from '../../support/until.ts';
import { currentKey } from '../../support/vaults.ts';

const topic = utf8('some/topic');

describe('the phala suite: dead letters', () => {
  let dev: DevChain;
  let chain: Chain;
  let vault: Vault;
  let other: Vault;
  let store: TransactionalStore;
  const open: AsyncDisposable[] = [];

  before(async () => {
    await ready();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
  });
  beforeEach(() => {
    store = openMemoryStore();
    [vault, other] = [createMemoryVault(), createMemoryVault()];
  });
  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });
  after(async () => {
    await chain.stop();
    await dev.stop();
  });

  async function listening(options: Partial<PhalaListenerOptions> = {}, acknowledges = true) {
    const listener = createPhalaListener({ chain, vault, store, topics: [topic], ...options });
    open.push(listener);
    await listener.start();
    await listener.ready;
    const events: PhalaEvent[] = [];
    listener.events$.subscribe((event) => {
      events.push(event);
      if (acknowledges && event.type === 'message') void event.delivery.ack();
    });
    const deliveries = (): PhalaDelivery[] => events.flatMap((e) => (e.type === 'message' ? [e.delivery] : []));
    const texts = (): string[] => deliveries().map(({ content }) => new TextDecoder().decode(content));
    const codes = (): string[] => events.flatMap((event) => (event.type === 'dead' ? [event.code] : []));
    return { listener, deliveries, texts, codes };
  }

  const post = (...payloads: readonly Uint8Array[]) =>
    chain.submit(
      payloads.map((payload) => ({ kind: 'push-message', destination: topic, payload }) as const),
      alice,
    );
  const plain = (text: string): Uint8Array => encodeCommandPayload({ kind: 'plain', content: utf8(text) });
  const sealed = async (to: Vault, text: string): Promise<Uint8Array> => {
    const { secretKey, publicKey } = keyPairFromSeed(new Uint8Array(32).fill(9));
    const z = agree(secretKey, await currentKey(to));
    return Uint8Array.of(1, ...sealPhala({ z, iv: new Uint8Array(12), pubkey: publicKey, data: utf8(text) }));
  };
  const listed = async (files: PhalaFiles): Promise<ListedCommand[]> => {
    const all: ListedCommand[] = [];
    for await (const letter of files.deadLetters()) all.push(letter);
    return all;
  };

  it('hold up nothing, however many stand behind a command that is not acknowledged', async () => {
    const heard = await listening({}, false);
    await post(plain('held'));
    for (let n = 0; n < 3; n++) await post(...Array.from({ length: 100 }, () => Uint8Array.of(9)));
    await post(plain('behind'));
    await until(() => heard.texts().length === 2);
    assert.deepEqual([heard.texts(), heard.codes().length], [['held', 'behind'], 300]);
  });

  it('are kept with their reason, are told once, and come when they open on another try', async () => {
    const first = await listening();
    const { blockNumber } = await post(Uint8Array.of(7), await sealed(other, 'for another key'));
    await until(() => first.codes().length === 2);
    await open.pop()?.[Symbol.asyncDispose]();
    const files = await openPhalaFiles(store);
    const letters = await listed(files);
    assert.deepEqual(
      letters.map(({ code, sender, block, proven, retries }) => [code, sender.id, block, proven, retries]),
      [
        ['unknown-variant', alice.id, blockNumber, true, 0],
        ['open-failed', alice.id, blockNumber, true, 0],
      ],
    );

    // That nobody can say whose it is yet is no try.
    const unread = {
      openPhala: () => Promise.reject(new RelayError('vault-resealed', { details: { path: 'vault' } })),
    };
    const [second] = await files.retry(unread, [letters[1]!.sequence]);
    assert.deepEqual([second?.outcome, second?.code], ['dead', 'vault-resealed']);
    assert.deepEqual(
      (await listed(files)).map(({ code, retries }) => [code, retries]),
      [
        ['unknown-variant', 0],
        ['vault-resealed', 0],
      ],
    );

    // It has another key now.
    const heard = await listening({ vault: other });
    const tried = await files.retry(other);
    assert.deepEqual(
      tried.map(({ sequence, messageId, outcome }) => [sequence, messageId, outcome]),
      [
        [letters[0]?.sequence, letters[0]?.messageId, 'dead'],
        [letters[1]?.sequence, letters[1]?.messageId, 'accepted'],
      ],
    );
    await dev.newBlock();
    await until(() => heard.texts().length === 1);
    const [delivery] = heard.deliveries();
    assert.deepEqual(
      [heard.texts(), delivery?.messageId, delivery?.block, delivery?.from, heard.codes()],
      [['for another key'], letters[1]?.messageId, blockNumber, alice.id, []],
    );
    assert.deepEqual(
      (await listed(files)).map(({ code, retries }) => [code, retries]),
      [['unknown-variant', 1]],
    );
    assert.deepEqual(await files.retry(other, [letters[1]!.sequence]), []);
  });

  it('come once where they are tried again more than once at the same time, while others are read', async () => {
    const first = await listening();
    await post(await sealed(other, 'once'));
    await until(() => first.codes().length === 1);
    await open.pop()?.[Symbol.asyncDispose]();
    const heard = await listening({ vault: other });
    const files = await openPhalaFiles(store);
    const [tries] = await Promise.all([
      Promise.all([files.retry(other), files.retry(other), files.retry(other)]),
      post(plain('beside')),
    ]);
    assert.deepEqual(
      tries.flat().map(({ outcome }) => outcome),
      ['accepted'],
    );
    await dev.newBlock();
    await until(() => heard.texts().length === 2);
    await dev.newBlock();
    await heard.listener.stop();
    assert.deepEqual(heard.texts().sort(), ['beside', 'once']);
  });

  it('are gone when they are discarded', async () => {
    const heard = await listening();
    await post(Uint8Array.of(7), Uint8Array.of(8));
    await until(() => heard.codes().length === 2);
    await heard.listener.stop();
    const files = await openPhalaFiles(store);
    const [one, two] = await listed(files);
    assert.deepEqual(await files.discard([one!.sequence, one!.sequence, 99n]), [one!.sequence]);
    assert.deepEqual(
      (await listed(files)).map(({ sequence }) => sequence),
      [two!.sequence],
    );
    await rejected(files.discard([-1n]), 'bad-value');
    await rejected(files.retry(vault, [-1n]), 'bad-value');
  });

  it('are of no listener where none has run', async () => {
    await rejected(openPhalaFiles(store), 'inbox-empty');
  });
});
