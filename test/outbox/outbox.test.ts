import assert from 'node:assert/strict';
import { blake2AsU8a } from '@polkadot/util-crypto';
import { accountFromSuri, connectChain, type Account, type Call, type Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import {
  concatBytes,
  contractTopic,
  equalBytes,
  fromHex,
  messageId,
  toHex,
  topicOf,
  Writer,
  type Hex,
} from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import {
  createOutbox,
  openOutboxQueue,
  type Outbox,
  type OutboxEntry,
  type OutboxOptions,
  type OutboxQueue,
  type Receipt,
  type SendStatus,
} from '../../src/outbox/index.ts';
import { rangeOf, storeKey } from '../../src/store/keys.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { replacing } from '../support/replacing.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { alice, bob, directoryEntries, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';

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
    // What was posted before is final.
    await dev.newBlock();
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

  /** Gives an account that the chain does not know yet some tokens. */
  async function fund({ id }: Account, free = 10n ** 18n): Promise<void> {
    const key = concatBytes(fromHex(storagePrefix('System', 'Account')), blake2AsU8a(id, 128), fromHex(id));
    const nonceAndReferences = new Writer().u32(0).u32(0).u32(1).u32(0);
    const balances = nonceAndReferences.u64(free).raw(new Uint8Array(3 * 16 + 8));
    await dev.setStorage([[toHex(key), toHex(balances.finish())]]);
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

  async function entriesOf(queue: OutboxQueue): Promise<OutboxEntry[]> {
    const entries: OutboxEntry[] = [];
    for await (const entry of queue.entries()) entries.push(entry);
    return entries;
  }

  async function idsOf(receipts: readonly Receipt[]): Promise<Hex[]> {
    return Promise.all(receipts.map(async (receipt) => (await receipt.reached('inBlock')).messageId));
  }

  for (const as of ['worker', 'account'] as const)
    it(`posts as ${as} and reports queued, submitted, inBlock and finalized`, async () => {
      const box = await outbox();
      const receipt = await box.send({ ...message('hello', as), via: 'chain' });
      const states: string[] = [];
      receipt.status$.subscribe((status: SendStatus) => states.push(status.state));
      await box.start();
      const { blockHash, messageId: id } = await receipt.reached('inBlock');
      await dev.newBlock();
      const final = await receipt.reached('finalized');
      assert.equal(final.blockHash, blockHash);
      assert.deepEqual(states, ['queued', 'submitted', 'inBlock', 'finalized']);
      const [message_] = await chain.at(blockHash).outboundMessages();
      assert.deepEqual(message_?.sender, { kind: as, id: as === 'worker' ? sender.identity : alice.id });
      assert.equal(toHex(message_.destination), toHex(topicOf(recipient.identity)));
      assert.deepEqual((await posted()).ids, [id]);
    });

  for (const as of ['worker', 'account'] as const)
    it(`posts many messages as ${as} in order, in few extrinsics`, async () => {
      const box = await outbox();
      const receipts = [];
      for (let i = 0; i < 40; i++) receipts.push(await box.send(message(`message ${i}`, as)));
      await box.start();
      await receipts.at(-1)?.reached('inBlock');
      const { ids, blocks } = await posted();
      assert.deepEqual(ids, await idsOf(receipts));
      assert.equal(blocks, 1);
    });

  it('posts after a restart what was queued before, and goes on telling of it', async () => {
    const before = await outbox();
    const { sendId } = await before.send(message('queued'));
    await before.stop();
    const after = await outbox();
    await after.start();
    const earlier = await after.receipt(sendId);
    assert.ok(earlier !== undefined);
    const later = await after.send(message('later'));
    assert.deepEqual(await idsOf([earlier, later]), (await posted()).ids);
    await dev.newBlock();
    await dev.newBlock();
    await earlier.reached('finalized');
    await after.stop();
    const third = await outbox();
    assert.equal((await (await third.receipt(sendId))?.reached('finalized'))?.state, 'finalized');
    assert.equal(await third.receipt(99n), undefined);
  });

  it('seals when it posts, to the key that is then the newest, and no plaintext lies in the store', async () => {
    const directory = new Map(await directoryEntries(recipient));
    const box = await outbox({ directory });
    const receipt = await box.send(message('a secret that nobody may find'));
    for (const [, value] of await store.entries({ from: Uint8Array.of(0), to: Uint8Array.of(255) }))
      assert.ok(!Buffer.from(value).includes('a secret'));
    const { epoch, publicKey } = await recipient.rotate();
    directory.set(recipient.identity, { current: { ecdhKey: publicKey, proven: true } });
    await box.start();
    const { blockHash } = (await receipt.reached('inBlock')) as { blockHash: Hex };
    const [posted_] = await chain.at(blockHash).outboundMessages();
    const { header } = await recipient.open({
      genesisHash: chain.genesisHash,
      envelope: posted_?.payload ?? utf8(''),
    });
    assert.deepEqual(header.recipientKey, publicKey);
    assert.equal(header.nonce, receipt.nonce);
    await recipient.activate(epoch);
  });

  for (const as of ['worker', 'account'] as const)
    it(`posts as ${as} on the new branch what a reorg took away, once, with nonces that follow on`, async () => {
      const box = await outbox();
      await box.start();
      const receipt = await box.send({ ...message('reorged', as), via: 'chain' });
      const states: string[] = [];
      receipt.status$.subscribe(({ state }) => states.push(state));
      const { blockNumber } = await receipt.reached('inBlock');
      await dev.reorg(blockNumber - 1, { resubmit: false });
      await dev.newBlock({ count: 2 });
      await until(() => states.includes('submitted') && states.at(-1) === 'inBlock');
      const later = await box.send({ ...message('later', as), via: 'chain' });
      await later.reached('inBlock');
      await dev.newBlock({ count: 2 });
      await Promise.all([receipt, later].map((each) => each.reached('finalized')));
      assert.deepEqual((await posted()).ids, await idsOf([receipt, later]));
    });

  it('goes on with the sequence of a worker after someone else posted for it, in order', async () => {
    const boxes = [await outbox(), await outbox({ store: openMemoryStore(), account: bob })];
    const receipts: Receipt[] = [];
    for (const [i, box] of boxes.entries())
      for (const n of [1, 2, 3]) receipts.push(await box.send(message(`${i} ${n}`)));
    for (const box of boxes) await box.start();
    const arrived = Promise.all(receipts.map((receipt) => receipt.reached('inBlock')));
    let isDone = false;
    void arrived.then(() => (isDone = true));
    // Another's message counts once it is final, and blocks come only when asked for.
    await until(async () => {
      if (!isDone) await dev.newBlock();
      return isDone;
    });
    const { ids } = await posted();
    const expected = await idsOf(receipts);
    assert.deepEqual(ids.toSorted(), expected.toSorted());
    for (const own of [expected.slice(0, 3), expected.slice(3)])
      assert.deepEqual(
        ids.filter((id) => own.includes(id)),
        own,
      );
  });

  for (const as of ['worker', 'account'] as const)
    it(`comes to an end as ${as} where nodes have forgotten the state of the block that took the message`, async () => {
      const before = await outbox();
      await before.start();
      const sent = await before.send({ ...message('forgotten', as), via: 'chain' });
      await sent.reached('inBlock');
      await before.stop();
      await dev.newBlock({ count: 3, empty: true });
      dev.pruneBefore(dev.finalized.number);
      // One that remembers nothing of that block.
      const later = await connectChain({ endpoints: [dev.ws] });
      open.push(later);
      const box = await outbox({ chain: later });
      await box.start();
      const receipt = await box.receipt(sent.sendId);
      assert.ok(receipt !== undefined);
      let isDone = false;
      void receipt.reached('finalized').then(() => (isDone = true));
      await until(async () => {
        if (!isDone) await dev.newBlock();
        return isDone;
      });
    });

  it('works on a queue alone: the outbox that was started last', async () => {
    const first_ = await outbox();
    const receipts = [];
    for (let i = 0; i < 10; i++) receipts.push(await first_.send(message(`${i}`)));
    const second = await outbox();
    await first_.start();
    await second.start();
    const kept = await Promise.all(receipts.map(async ({ sendId }) => (await second.receipt(sendId))!));
    await Promise.all(kept.map((receipt) => receipt.reached('inBlock')));
    assert.deepEqual((await posted()).ids, await idsOf(kept));
  });

  it('ends where another was started on its queue, also with nothing to write', async () => {
    const setbacks: string[] = [];
    const first_ = await outbox({ onSetback: ({ code }) => setbacks.push(code) });
    await first_.start();
    await (await outbox()).start();
    await dev.newBlock();
    await until(() => setbacks.length > 0);
    assert.deepEqual(setbacks, ['outbox-replaced']);
    await assert.rejects(first_.send(message('too late')), { code: 'aborted' });
  });

  it('takes over nothing where it was stopped before it began', async () => {
    const [stopped, working] = [await outbox(), await outbox()];
    await stopped.stop();
    await working.start();
    await assert.rejects(stopped.start(), { code: 'aborted' });
    const sent = await working.send(message('still goes'));
    await sent.reached('inBlock');
  });

  it('lists, cancels what is queued, and retries what failed, with its nonce', async () => {
    const directory = new Map(await directoryEntries(recipient));
    const box = await outbox({ directory });
    const [failing, cancelled] = [await box.send(message('failing')), await box.send(message('cancelled'))];
    await box.cancel(cancelled.sendId);
    await assert.rejects(cancelled.reached('inBlock'), { code: 'send-cancelled' });
    await assert.rejects(box.retry(cancelled.sendId), { code: 'not-failed' });
    await assert.rejects(box.retry(99n), { code: 'no-such-message' });
    directory.clear();
    await box.start();
    await assert.rejects(failing.reached('inBlock'), { code: 'unknown-recipient' });
    await box.stop();
    const queue = openOutboxQueue(store);
    const listed = await entriesOf(queue);
    assert.deepEqual(
      listed.map(({ sendId, nonce, status }) => [sendId, nonce, status.state === 'failed' && status.error.code]),
      [
        [failing.sendId, failing.nonce, 'unknown-recipient'],
        [cancelled.sendId, cancelled.nonce, 'send-cancelled'],
      ],
    );
    const nextMonth = openOutboxQueue(store, { now: () => Date.now() + 31 * 86_400_000 });
    await assert.rejects(nextMonth.retry(failing.sendId), { code: 'too-late-to-retry' });
    await queue.retry(failing.sendId);
    const rich = await outbox();
    await rich.start();
    const again = (await rich.receipt(failing.sendId))!;
    const { messageId: id } = await again.reached('inBlock');
    assert.deepEqual((await posted()).ids, [id]);
    await assert.rejects(rich.cancel(failing.sendId), { code: 'too-late-to-cancel' });
  });

  it("leaves an account's messages to that account, says so once, and goes on with its own", async () => {
    const queue = await outbox();
    const left = await queue.send({ ...message('of Alice'), as: 'account' });
    await queue.stop();
    const notices: RelayError[] = [];
    const setbacks: RelayError[] = [];
    const other = await outbox({
      account: bob,
      onNotice: (notice) => notices.push(notice),
      onSetback: (error) => setbacks.push(error),
    });
    await other.start();
    for (const text of ['of Bob', 'of Bob again']) {
      const sent = await other.send({ ...message(text), as: 'account' });
      await sent.reached('inBlock');
    }
    assert.deepEqual(
      notices.map(({ code, details }) => [code, details]),
      [['other-account', { queuedBy: alice.id, account: bob.id }]],
    );
    assert.deepEqual(setbacks, []);
    await other.stop();
    const [entry] = await entriesOf(openOutboxQueue(store));
    assert.deepEqual([entry?.account, entry?.status.state], [alice.id, 'queued']);
    const again = await outbox();
    await again.start();
    await (await again.receipt(left.sendId))?.reached('inBlock');
  });

  for (const as of ['worker', 'account'] as const)
    it(`keeps to the most that a message as ${as} may cost: what is estimated is enough, and one unit less is not`, async () => {
      const box = await outbox();
      await box.start();
      for (const length of [0, 40, 1_021, 1_022]) {
        const body = { kind: 'data', content: new Uint8Array(length) } as const;
        // Variant and length before the content.
        const fee = await box.estimateFee(length + (length < 64 ? 2 : 3), as);
        const send = (maxFee: bigint) => box.send({ to: recipient.identity, body, as, maxFee });
        const dear = await send(fee - 1n);
        const details = { fee, maxFee: fee - 1n };
        await assert.rejects(dear.reached('inBlock'), { code: 'fee-too-high', details });
        await (await send(fee)).reached('inBlock');
        await box.retry(dear.sendId, { maxFee: fee });
        await (await box.receipt(dear.sendId))?.reached('inBlock');
      }
      assert.equal((await posted()).ids.length, 8);
    });

  it('keeps to the most that a command may cost, and names what it would', async () => {
    const payer = accountFromSuri('//Payer of commands');
    await fund(payer);
    const box = await outbox({ account: payer });
    await box.start();
    const { publicKey: recipientKey } = (await recipient.ecdhKeys()).at(-1)!;
    const command = { suite: 'phala', topic: contractTopic(toHex(new Uint8Array(32))), recipientKey } as const;
    const send = (maxFee: bigint) => box.send({ ...command, content: utf8('run'), maxFee });
    let named: unknown;
    await assert.rejects((await send(1n)).reached('inBlock'), (error: RelayError) => {
      named = error.details?.['fee'];
      return error.code === 'fee-too-high';
    });
    const fee = BigInt(String(named));
    await assert.rejects((await send(fee - 1n)).reached('inBlock'), { code: 'fee-too-high' });
    const before = (await chain.at((await chain.bestHead()).hash).freeBalance(payer.id)) ?? 0n;
    const { blockHash } = await (await send(fee)).reached('inBlock');
    const paid = before - ((await chain.at(blockHash).freeBalance(payer.id)) ?? 0n);
    assert.ok(fee >= paid && fee - paid < paid / 100n, `${paid} was paid, and ${fee} named`);
  });

  it('waits for a WorkerState that is not ready yet, and fails nothing of what is queued', async () => {
    const queue = await outbox();
    const ids = [];
    for (const as of ['worker', 'account'] as const) ids.push((await queue.send(message(as, as))).sendId);
    await queue.stop();
    const proxy = await startRpcProxy(dev.ws);
    open.push(proxy);
    const through = await connectChain({ endpoints: [proxy.ws] });
    open.push(through);
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    // Its snapshot takes its time, and all else goes on.
    proxy.hold = (method) => (/^state_(getKeysPaged|getReadProof|queryStorageAt)$/.test(method) ? held : undefined);
    const watch = watchWorkerState(through);
    open.push(watch);
    const box = await outbox({ directory: watch.state });
    await box.start();
    const later = box.send(message('later'));
    await until(() => proxy.asked.has('state_getKeysPaged') || proxy.asked.has('state_getReadProof'));
    assert.equal(watch.state.has(recipient.identity), false);
    assert.ok((await entriesOf(box)).every(({ status }) => status.state === 'queued'));
    goOn();
    const receipts = [...(await Promise.all(ids.map((id) => box.receipt(id)))), await later];
    assert.equal(new Set(await idsOf(receipts.map((receipt) => receipt!))).size, 3);
  });

  it('looks at nothing of what waits for other accounts', async () => {
    const queue = await outbox();
    for (let n = 0; n < 50; n++) await queue.send(message(`of Alice ${n}`, 'account'));
    await queue.stop();
    const read: string[] = [];
    const counting = replacing(store, {
      get: (key) => {
        read.push(new TextDecoder().decode(key.subarray(0, -8)));
        return store.get(key);
      },
    });
    const box = await outbox({ store: counting, account: bob });
    await box.start();
    const receipt = await box.send(message('of Bob', 'account'));
    await receipt.reached('inBlock');
    const records = read.filter((key) => key === 'outbox/message/').length;
    assert.ok(records < 20, `${records} records were read`);
  });

  it('finds what an earlier version queued without its account in its place', async () => {
    const queue = await outbox();
    const { sendId } = await queue.send(message('left behind', 'account'));
    await queue.stop();
    const places = await store.entries(rangeOf('outbox/queued/account'));
    const moved = places.flatMap(([key, value]) => [
      { key, value: undefined },
      { key: storeKey('outbox/queued/account/', key.slice(-8)), value },
    ]);
    assert.equal(moved.length, 2);
    await store.commit(moved);
    const other = await outbox({ account: bob });
    await other.start();
    await (await other.send(message('of Bob', 'account'))).reached('inBlock');
    await other.stop();
    const box = await outbox();
    await box.start();
    const arrived = await (await box.receipt(sendId))?.reached('inBlock');
    assert.equal((await posted()).ids.at(-1), arrived?.messageId);
  });

  it("gives up a worker's message that is signed where it is told to, and goes on behind it", async () => {
    const poor = accountFromSuri('//Poorer');
    const setbacks: string[] = [];
    const box = await outbox({ account: poor, onSetback: ({ code }) => setbacks.push(code) });
    await box.start();
    const given = await box.send(message('given up'));
    await until(() => setbacks.includes('balance-too-low'));
    assert.equal((await entriesOf(box))[0]?.status.state, 'submitted');
    await assert.rejects(box.cancel(given.sendId), { code: 'too-late-to-cancel' });
    const failed = assert.rejects(given.reached('finalized'), { code: 'send-cancelled' });
    await box.cancel(given.sendId, { giveUp: true });
    await failed;
    const after = await box.send(message('after it'));
    await fund(poor);
    const { messageId: id } = await after.reached('inBlock');
    await dev.newBlock({ count: 3 });
    await after.reached('finalized');
    assert.deepEqual((await posted()).ids, [id]);
    const [first_] = await entriesOf(box);
    assert.equal(first_?.status.state === 'failed' && first_.status.error.code, 'send-cancelled');
  });

  it('says that a message is in which was given up, where whoever has seen its signature posts it', async () => {
    const signed: Call[] = [];
    const seen = replacing(chain, {
      post: (calls, account, options) => {
        signed.push(...calls);
        return chain.post(calls, account, options);
      },
    });
    const box = await outbox({ chain: seen, account: accountFromSuri('//Poorest') });
    await box.start();
    const { sendId } = await box.send(message('seen'));
    await until(async () => (await entriesOf(box))[0]?.status.state === 'submitted' && signed.length > 0);
    await box.cancel(sendId, { giveUp: true });
    await chain.submit(signed.slice(0, 1), bob);
    await until(async () => {
      await dev.newBlock();
      return (await entriesOf(box))[0]?.status.state === 'finalized';
    });
    assert.equal((await posted()).ids.length, 1);
  });

  it('forgets the oldest of what is done, and nothing else', async () => {
    const box = await outbox({ keepDone: 2 });
    for (let i = 0; i < 300; i++) await box.cancel((await box.send(message(`${i}`))).sendId);
    await box.start();
    const last = await box.send({ ...message('last'), to: recipient.identity });
    await last.reached('inBlock');
    await dev.newBlock({ count: 2 });
    await last.reached('finalized');
    const left = await entriesOf(box);
    assert.ok(left.length < 50, `${left.length} are left`);
    assert.equal(left.at(-1)?.sendId, last.sendId);
  });

  it('refuses a message that no block could carry, and stores nothing', async () => {
    const box = await outbox();
    const content = new Uint8Array(chain.info.maxExtrinsicBytes);
    await assert.rejects(box.send({ to: recipient.identity, body: { kind: 'data', content } }), {
      code: 'too-large-for-chain',
    });
    assert.deepEqual(await entriesOf(box), []);
  });

  it('refuses options, and fields of a message, that it could not go by, by their names', async () => {
    const options: Record<string, readonly unknown[]> = {
      tip: [-1n, 2n ** 128n],
      maxFee: [-1n, 2n ** 64n - 1n, 2n ** 64n],
      keepDone: [-1, NaN, 1.5],
    };
    for (const [name, values] of Object.entries(options))
      for (const value of values)
        await assert.rejects(outbox({ [name]: value }), (error: RelayError) => {
          assert.equal(error.code, 'bad-value');
          assert.equal(error.details?.['what'], name);
          return true;
        });
    const box = await outbox();
    for (const [what, value] of Object.entries({ suite: 'v2', as: 'gatekeeper', via: 'pigeon' }))
      await assert.rejects(box.send({ ...message('x'), [what]: value } as never), (error: RelayError) => {
        assert.equal(error.code, 'bad-value');
        assert.equal(error.details?.['what'], what);
        return true;
      });
    for (const maxFee of options['maxFee'] ?? [])
      await assert.rejects(
        box.send({ ...message('x'), maxFee } as never),
        ({ code, details }: RelayError) => code === 'bad-value' && details?.['what'] === 'maxFee',
      );
    assert.deepEqual(await entriesOf(box), []);
  });

  it('refuses an unknown recipient, and an unproven key where proof is required', async () => {
    const box = await outbox();
    await assert.rejects(box.send({ ...message('x'), to: alice.id }), { code: 'unknown-recipient' });
    const key = (await recipient.ecdhKeys())[0]?.publicKey ?? new Uint8Array();
    const directory = { get: () => ({ current: { ecdhKey: key, proven: false } }) };
    const strict = await outbox({ directory, requireProven: true });
    await assert.rejects(strict.send(message('x')), { code: 'unproven-key' });
  });

  it('keeps what the account can not pay for, says so, and posts it in order once it can', async () => {
    const poor = accountFromSuri('//Poor');
    const setbacks: RelayError[] = [];
    const box = await outbox({ account: poor, onSetback: (error) => setbacks.push(error) });
    await box.start();
    const receipts = [];
    for (let i = 0; i < 5; i++) receipts.push(await box.send(message(`${i}`)));
    await until(() => setbacks.some(({ code }) => code === 'balance-too-low'));
    const { details } = setbacks.find(({ code }) => code === 'balance-too-low') ?? {};
    assert.equal(details?.['account'], poor.id);
    const waiting = await entriesOf(box);
    assert.ok(waiting.every(({ status }) => status.state === 'submitted' || status.state === 'queued'));
    await fund(poor);
    assert.deepEqual(await idsOf(receipts), (await posted()).ids);
  });

  it('signs nothing anew for each block as long as the account has what it had', async () => {
    let posts = 0;
    const counted = replacing(chain, {
      post: (calls, account, options) => {
        posts++;
        return chain.post(calls, account, options);
      },
    });
    const setbacks: string[] = [];
    const poor = accountFromSuri('//Poorest');
    const box = await outbox({ chain: counted, account: poor, onSetback: ({ code }) => setbacks.push(code) });
    await box.start();
    const receipt = await box.send(message('0'));
    const told = async (): Promise<void> => {
      const before = setbacks.length;
      await dev.newBlock();
      await until(() => setbacks.length > before);
    };
    await told();
    await told();
    const { length } = setbacks;
    const before = posts;
    for (let block = 0; block < 10; block++) await told();
    assert.equal(posts, before, 'it is told of each block, and nothing is posted');
    assert.ok(setbacks.slice(length).every((code) => code === 'balance-too-low'));
    await fund(poor);
    await dev.newBlock();
    await receipt.reached('inBlock');
    assert.equal(posts, before + 1);
  });

  it('posts as many as the account can pay for', async () => {
    const poor = accountFromSuri('//Some');
    const setbacks: string[] = [];
    const box = await outbox({ account: poor, onSetback: ({ code }) => setbacks.push(code) });
    const content = new Uint8Array(16_384);
    await fund(poor, (5n * (await box.estimateFee(content.length))) / 2n);
    for (let i = 0; i < 8; i++) await box.send({ to: recipient.identity, body: { kind: 'data', content } });
    await box.start();
    await until(async () => (await posted()).ids.length === 2);
    await until(() => setbacks.includes('balance-too-low'));
    assert.equal((await posted()).ids.length, 2);
    await fund(poor);
    await until(async () => (await posted()).ids.length === 8);
  });

  for (const as of ['worker', 'account'] as const)
    it(`estimates what is paid for a message as ${as}`, async () => {
      const payer = accountFromSuri(`//Payer/${as}`);
      await fund(payer);
      const box = await outbox({ account: payer });
      await box.start();
      const free = async (): Promise<bigint> =>
        (await chain.at((await chain.bestHead()).hash).freeBalance(payer.id)) ?? 0n;
      const before = await free();
      const content = new Uint8Array(1_000);
      await (await box.send({ to: recipient.identity, body: { kind: 'data', content }, as })).reached('inBlock');
      const paid = before - (await free());
      // Variant and length before the content.
      const estimated = await box.estimateFee(content.length + 3, as);
      assert.ok(estimated >= paid && estimated - paid < paid / 100n, `${paid} was paid, and ${estimated} estimated`);
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

  it('waits for no node that does not answer once it is stopped, or who waits gives up', async () => {
    const asked: string[] = [];
    const never = (name: string, signal: AbortSignal | undefined): Promise<never> => {
      asked.push(name);
      return new Promise((_, reject) => {
        signal?.addEventListener('abort', () => reject(new RelayError('aborted')));
      });
    };
    const silent = replacing(chain, {
      costOf: (_calls, _account, options) => never('costOf', options?.signal),
      batchRoom: (_kind, _account, signal) => never('batchRoom', signal),
      bestHead: (signal) => (asked.length === 0 ? chain.bestHead(signal) : never('bestHead', signal)),
    });
    const box = await outbox({ chain: silent });
    await box.send({ ...message('as an account'), as: 'account' });
    await box.start();
    await until(() => asked.includes('batchRoom'));
    const given = new AbortController();
    const command = { suite: 'phala', topic: contractTopic(alice.id), content: utf8('x') } as const;
    const gaveUp = [box.estimateFee(1, 'worker', given.signal), box.send(command, given.signal)].map((waiting) =>
      assert.rejects(waiting, { code: 'aborted' }),
    );
    given.abort();
    await Promise.all(gaveUp);
    const ended = assert.rejects(box.estimateFee(1), { code: 'aborted' });
    await box.stop();
    await ended;
    await assert.rejects(box.send(message('too late')), { code: 'aborted' });
  });
});
