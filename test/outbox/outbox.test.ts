import assert from 'node:assert/strict';
import { accountFromSuri, connectChain, type Chain } from '../../src/chain/index.ts';
import { equalBytes, messageId, toHex, topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, type Outbox, type OutboxOptions, type SendStatus } from '../../src/outbox/index.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';

describe('outbox', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;
  let store: TransactionalStore;
  let first: number;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag: 1 });
    chain = await connectChain({ endpoints: [dev.ws] });
    [sender, recipient] = (await registered(chain, folder.path, ['a', 'b'])) as [Vault, Vault];
  });

  beforeEach(async () => {
    store = openMemoryStore();
    first = (await chain.bestHead()).number + 1;
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function outbox(options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    const made = createOutbox({ chain, vault: sender, store, directory, account: alice, ...options });
    open.push(made);
    return made;
  }

  function message(text: string, as: 'worker' | 'account' = 'worker') {
    return { to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as } as const;
  }

  /** Ids of the messages to the recipient since the test began, in the order of the chain. */
  async function posted(): Promise<{ readonly ids: Hex[]; readonly blocks: number }> {
    const { number } = await chain.bestHead();
    const ids: Hex[] = [];
    let blocks = 0;
    for (let block = first; block <= number; block++) {
      const head = await chain.headAt(block);
      const messages = head === undefined ? [] : await chain.at(head.hash).outboundMessages();
      const ours = messages.filter(({ destination }) => equalBytes(destination, topicOf(recipient.identity)));
      if (ours.length > 0) blocks++;
      ids.push(...ours.map(({ payload }) => messageId({ genesisHash: chain.genesisHash, envelope: payload })));
    }
    return { ids, blocks };
  }

  for (const as of ['worker', 'account'] as const)
    it(`posts as ${as} and reports queued, submitted, inBlock and finalized`, async () => {
      const box = await outbox();
      const receipt = await box.send({ ...message('hello', as), via: 'chain' });
      const states: string[] = [];
      receipt.status$.subscribe((status: SendStatus) => states.push(status.state));
      await box.start();
      const { blockHash } = await receipt.reached('inBlock');
      await dev.newBlock();
      const final = await receipt.reached('finalized');
      assert.equal(final.blockHash, blockHash);
      assert.deepEqual(states, ['queued', 'submitted', 'inBlock', 'finalized']);
      const [message_] = await chain.at(blockHash).outboundMessages();
      assert.deepEqual(message_?.sender, { kind: as, id: as === 'worker' ? sender.identity : alice.id });
      assert.equal(toHex(message_.destination), toHex(topicOf(recipient.identity)));
      assert.deepEqual((await posted()).ids, [receipt.messageId]);
    });

  for (const as of ['worker', 'account'] as const)
    it(`posts many messages as ${as} in order, in few extrinsics`, async () => {
      const box = await outbox();
      const receipts = [];
      for (let i = 0; i < 40; i++) receipts.push(await box.send(message(`message ${i}`, as)));
      await box.start();
      await receipts.at(-1)?.reached('inBlock');
      const { ids, blocks } = await posted();
      assert.deepEqual(
        ids,
        receipts.map((receipt) => receipt.messageId),
      );
      assert.equal(blocks, 1);
    });

  it('posts after a restart what was queued before', async () => {
    const before = await outbox();
    const { messageId: id } = await before.send(message('queued'));
    await before.stop();
    const after = await outbox();
    await after.start();
    const later = await after.send(message('later'));
    await later.reached('inBlock');
    assert.deepEqual((await posted()).ids, [id, later.messageId]);
  });

  it('looks into the blocks before it posts again what a crash left submitted', async () => {
    const box = await outbox();
    await box.start();
    const receipt = await box.send(message('crash'));
    await receipt.reached('inBlock');
    await box.stop();
    const queue = new OutboxStore(store);
    const [[id, stored]] = (await queue.all()) as [[bigint, Awaited<ReturnType<OutboxStore['all']>>[0][1]]];
    await queue.update([[id, { ...stored, progress: { state: 'submitted', since: first - 1 } }]]);
    const again = await outbox();
    await again.start();
    const later = await again.send(message('later'));
    await later.reached('inBlock');
    assert.deepEqual((await posted()).ids, [receipt.messageId, later.messageId]);
    assert.equal((await queue.all())[0]?.[1].progress.state, 'inBlock');
  });

  it('shares the sequence of a worker with whoever else posts for it', async () => {
    const boxes = [await outbox(), await outbox({ store: openMemoryStore(), account: bob })];
    const receipts = await Promise.all(
      boxes.flatMap((box, i) => [1, 2, 3].map(async (n) => box.send(message(`${i} ${n}`)))),
    );
    for (const box of boxes) await box.start();
    await Promise.all(receipts.map((receipt) => receipt.reached('inBlock')));
    const { ids } = await posted();
    assert.deepEqual(ids.toSorted(), receipts.map((receipt) => receipt.messageId).toSorted());
  });

  it('refuses a message that no block could carry, and stores nothing', async () => {
    const box = await outbox();
    const content = new Uint8Array(chain.info.maxExtrinsicBytes);
    await assert.rejects(box.send({ to: recipient.identity, body: { kind: 'data', content } }), {
      code: 'too-large-for-chain',
    });
    assert.deepEqual(await new OutboxStore(store).all(), []);
  });

  it('refuses an unknown recipient, and an unproven key where proof is required', async () => {
    const box = await outbox();
    await assert.rejects(box.send({ ...message('x'), to: alice.id }), { code: 'unknown-recipient' });
    const key = (await recipient.ecdhKeys())[0]?.publicKey ?? new Uint8Array();
    const directory = { get: () => ({ current: { ecdhKey: key, proven: false } }) };
    const strict = await outbox({ directory, requireProven: true });
    await assert.rejects(strict.send(message('x')), { code: 'unproven-key' });
  });

  it('fails precisely where the account can not pay, and goes on with nothing lost', async () => {
    const poor = accountFromSuri('//Nobody');
    const box = await outbox({ account: poor });
    await box.start();
    const receipt = await box.send(message('too poor'));
    await assert.rejects(receipt.reached('inBlock'), { code: 'balance-too-low' });
  });

  it('ends waits when it is stopped or when the waiter gives up', async () => {
    const box = await outbox();
    const receipt = await box.send(message('never started'));
    const given = new AbortController();
    const waiting = assert.rejects(receipt.reached('inBlock', given.signal), { code: 'aborted' });
    given.abort();
    await waiting;
    const stopped = assert.rejects(receipt.reached('inBlock'), { code: 'aborted' });
    await box.stop();
    await stopped;
  });
});
