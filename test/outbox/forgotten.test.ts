import assert from 'node:assert/strict';
import { connectChain, signedMessagesIn, type Chain } from '../../src/chain/index.ts';
import { fromHex, toHex, topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, type Outbox, type OutboxOptions, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { ForgetfulNode } from '../support/forgetful-node.ts';
import { replacing } from '../support/replacing.ts';
import { startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';

const kinds = ['worker', 'account'] as const;
const phalaTopic = utf8('a topic for commands');
/** Of an extrinsic. */
const eraBlocks = 64;

describe('outbox: what nodes have forgotten', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let proxy: RpcProxy;
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
    await dev.newBlock({ count: 2, empty: true });
    first = dev.head.number + 1;
    proxy = await startRpcProxy(dev.ws);
    open.push(proxy);
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
    await made.start();
    return made;
  }

  /** Over a connection that remembers nothing of earlier blocks, and through the proxy. */
  async function restarted(options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const later = await connectChain({ endpoints: [proxy.ws] });
    open.push(later);
    return outbox({ chain: later, ...options });
  }

  const message = (as: 'worker' | 'account') =>
    ({ to: recipient.identity, body: { kind: 'data', content: utf8('once') }, as, via: 'chain' }) as const;

  async function command(as: 'worker' | 'account') {
    const [key] = await recipient.ecdhKeys();
    return {
      suite: 'phala',
      topic: phalaTopic,
      content: utf8('run'),
      recipientKey: key?.publicKey ?? utf8(''),
      as,
    } as const;
  }

  /** How many extrinsics since the test began carry this topic, whatever became of them. */
  async function posted(topic: Uint8Array): Promise<number> {
    let count = 0;
    for (let number = first; number <= dev.head.number; number++) {
      const head = await chain.headAt(number);
      const extrinsics = head === undefined ? [] : await chain.at(head.hash).extrinsics();
      count += extrinsics.filter((extrinsic) => extrinsic.includes(toHex(topic).slice(2))).length;
    }
    return count;
  }

  /** Builds blocks until the message has its end, one way or the other. */
  async function end(receipt: Receipt) {
    let result: Awaited<ReturnType<Receipt['reached']>> | { readonly failure: unknown } | undefined;
    receipt.reached('finalized').then(
      (arrival) => (result = arrival),
      (failure: unknown) => (result = { failure }),
    );
    await until(async () => {
      if (result === undefined) await dev.newBlock();
      return result !== undefined;
    });
    return result!;
  }

  /** All up to the finalized head lose their states. */
  async function forget(): Promise<void> {
    await dev.newBlock({ count: 3, empty: true });
    dev.pruneBefore(dev.finalized.number);
  }

  /** As a node with --blocks-pruning: headers are left. */
  function withoutBodies(): void {
    const last = dev.finalized.number;
    proxy.alter = (method, _params, result) => {
      const { block } = (method === 'chain_getBlock' ? result : {}) as { block?: { header: { number: Hex } } };
      return block !== undefined && Number(block.header.number) < last ? null : result;
    };
  }

  it("finds a worker's message by its signature in the extrinsics, and does not post it again", async () => {
    const before = await outbox();
    const sent = await before.send(message('worker'));
    const { blockHash } = await sent.reached('inBlock');
    await before.stop();
    await forget();
    const arrival = await end((await (await restarted()).receipt(sent.sendId))!);
    assert.ok('blockHash' in arrival);
    assert.deepEqual([arrival.blockHash, arrival.isOutcomeUnknown], [blockHash, undefined]);
    assert.equal(await posted(topicOf(recipient.identity)), 1);
  });

  it("finds a worker's message though the node forgets as fast as it is read", async () => {
    const before = await outbox();
    const sent = await before.send(message('worker'));
    const { blockHash } = await sent.reached('inBlock');
    await before.stop();
    await dev.newBlock({ count: 40, empty: true });
    dev.pruneBefore(dev.finalized.number - 20);
    const later = await connectChain({ endpoints: [proxy.ws] });
    open.push(later);
    let times = 0;
    const { messages } = later;
    const forgetting = replacing(later, {
      messages: {
        at: messages.at.bind(messages),
        async *follow(...args) {
          for await (const span of messages.follow(...args)) {
            if (span.type === 'missing') times += 1;
            if (span.type === 'missing') dev.pruneBefore(span.through.number + 3);
            yield span;
          }
          throw new Error('it is followed for ever');
        },
      },
    });
    const setbacks: string[] = [];
    const box = await outbox({ chain: forgetting, onSetback: ({ code }) => setbacks.push(code) });
    const arrival = await end((await box.receipt(sent.sendId))!);
    assert.ok(times > 0);
    assert.ok('blockHash' in arrival);
    assert.equal(arrival.blockHash, blockHash);
    assert.deepEqual(setbacks, []);
  });

  it("finds a worker's message where other blocks are forgotten too, up to some before the newest", async () => {
    const before = await outbox();
    const sent = await before.send(message('worker'));
    const { blockHash, blockNumber } = await sent.reached('inBlock');
    await before.stop();
    await dev.newBlock({ count: 60, empty: true });
    await until(async () => (await chain.finalizedHead()).number === dev.finalized.number);
    const forgetful = await ForgetfulNode.start(dev, chain, first);
    open.push(forgetful);
    const newest = dev.finalized.number;
    forgetful.isAllGone = (block) => block <= blockNumber + 3 || (block > blockNumber + 10 && block < newest - 1);
    const later = await connectChain({ endpoints: [forgetful.ws] });
    open.push(later);
    const setbacks: string[] = [];
    const box = await outbox({ chain: later, onSetback: ({ code }) => setbacks.push(code) });
    const arrival = await (await box.receipt(sent.sendId))!.reached('finalized');
    assert.ok('blockHash' in arrival);
    assert.equal(arrival.blockHash, blockHash);
    assert.ok(!forgetful.given.has(blockNumber), 'by its extrinsic');
    assert.deepEqual(setbacks, []);
  });

  it("finds a worker's message that someone else posted, among others and in a batch", async () => {
    const held: Hex[] = [];
    proxy.hold = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      held.push(extrinsic as Hex);
      return new Promise(() => undefined);
    };
    const before = await restarted();
    const sent = await before.send(message('worker'));
    await until(() => held.length > 0);
    await before.stop();
    proxy.hold = () => undefined;
    const [signed] = signedMessagesIn(held[0]!, sender.identity);
    assert.ok(signed !== undefined);
    const { destination, payload, sequence, signature } = signed;
    const { blockHash } = await chain.submit(
      [
        { kind: 'push-message', destination: utf8('other'), payload: utf8('x') },
        { kind: 'sync-offchain-message', worker: sender.identity, destination, payload, sequence, signature },
      ],
      bob,
    );
    await forget();
    const arrival = await end((await (await restarted()).receipt(sent.sendId))!);
    assert.ok('blockHash' in arrival);
    assert.equal(arrival.blockHash, blockHash);
    assert.equal(await posted(topicOf(recipient.identity)), 1);
  });

  it('is not deceived by a message in an extrinsic that something else came before', async () => {
    const held: Hex[] = [];
    proxy.hold = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      held.push(extrinsic as Hex);
      return new Promise(() => undefined);
    };
    const before = await restarted();
    const sent = await before.send(message('worker'));
    await until(() => held.length > 0);
    await before.stop();
    proxy.hold = () => undefined;
    const [{ sequence, ...signed }] = signedMessagesIn(held[0]!, sender.identity) as [
      ReturnType<typeof signedMessagesIn>[0],
    ];
    const other = { destination: utf8('other'), payload: utf8('of the same worker') };
    const signature = await sender.sign({ type: 'worker-message', ...other, sequence });
    const call = { kind: 'sync-offchain-message', worker: sender.identity, sequence } as const;
    await chain.submit([{ ...call, ...other, signature }], bob);
    const { destination, payload } = signed;
    const filler = { kind: 'push-message', destination: utf8('filler'), payload } as const;
    const late = { ...call, destination, payload, signature: signed.signature } as const;
    const { failures } = await chain.submit([filler, late], bob, { batch: 'each' });
    assert.equal(failures?.length, 1);
    await forget();
    const arrival = await end((await (await restarted()).receipt(sent.sendId))!);
    assert.ok('blockHash' in arrival);
    const messages = await chain.at(arrival.blockHash).outboundMessages();
    assert.deepEqual(
      messages.map(({ destination: to }) => toHex(to)),
      [toHex(topicOf(recipient.identity))],
    );
  });

  it("does not post a worker's message again for whose sequence another one was signed that came too late", async () => {
    const before = await outbox();
    const sent = await before.send(message('worker'));
    const { blockHash } = await sent.reached('inBlock');
    await before.stop();
    const sequence = (await chain.at(blockHash).ingressSequence(sender.identity)) - 1n;
    const other = { destination: utf8('other'), payload: utf8('of the same worker'), sequence };
    const signature = await sender.sign({ type: 'worker-message', ...other });
    const late = { kind: 'sync-offchain-message', worker: sender.identity, ...other, signature } as const;
    const filler = { kind: 'push-message', destination: utf8('filler'), payload: utf8('x') } as const;
    assert.equal((await chain.submit([filler, late], bob, { batch: 'each' })).failures?.length, 1);
    await forget();
    const notices: string[] = [];
    const box = await restarted({ onNotice: ({ code }) => notices.push(code) });
    const arrival = await end((await box.receipt(sent.sendId))!);
    assert.ok('blockHash' in arrival);
    assert.equal(arrival.blockHash, blockHash);
    assert.deepEqual(notices, []);
    assert.equal(await posted(topicOf(recipient.identity)), 1);
  });

  it("says of an account's message that what the chain made of its extrinsic can not be known", async () => {
    const before = await outbox();
    const sent = await before.send(message('account'));
    const { blockHash } = await sent.reached('inBlock');
    await before.stop();
    await forget();
    const box = await restarted();
    const arrival = await end((await box.receipt(sent.sendId))!);
    assert.ok('blockHash' in arrival);
    assert.deepEqual([arrival.blockHash, arrival.isOutcomeUnknown], [blockHash, true]);
    for await (const { status } of box.entries()) assert.ok('isOutcomeUnknown' in status);
    assert.equal(await posted(topicOf(recipient.identity)), 1);
  });

  for (const as of kinds)
    it(`posts a message of a ${as} again where the extrinsics are gone too, and names the blocks`, async () => {
      const before = await outbox();
      const sent = await before.send(message(as));
      const { blockNumber } = await sent.reached('inBlock');
      await before.stop();
      await dev.newBlock({ count: eraBlocks + 4, empty: true });
      dev.pruneBefore(dev.finalized.number);
      withoutBodies();
      const unknown: Readonly<Record<string, unknown>>[] = [];
      const setbacks: string[] = [];
      const box = await restarted({
        onSetback: ({ code }) => setbacks.push(code),
        onNotice: ({ code, details }) => {
          if (code === 'fate-unknown') unknown.push(details ?? {});
        },
      });
      const arrival = await end((await box.receipt(sent.sendId))!);
      assert.ok('blockHash' in arrival && arrival.blockNumber > blockNumber);
      assert.equal(unknown.length, 1, 'told once');
      assert.deepEqual(setbacks, [], 'who waits for it goes on');
      assert.ok(Number(unknown[0]?.['first']) <= blockNumber && blockNumber <= Number(unknown[0]?.['last']));
      assert.equal(await posted(topicOf(recipient.identity)), 2);
    });

  for (const as of kinds)
    it(`does not post a Phala command of a ${as} again, which nothing would tell from a second one, unless it is told to`, async () => {
      const before = await outbox();
      const sent = await before.send(await command(as));
      await sent.reached('inBlock');
      await before.stop();
      await dev.newBlock({ count: eraBlocks + 4, empty: true });
      dev.pruneBefore(dev.finalized.number);
      withoutBodies();
      const box = await restarted();
      const ended = await end((await box.receipt(sent.sendId))!);
      assert.ok('failure' in ended);
      assert.equal((ended.failure as { code?: string }).code, 'fate-unknown');
      assert.equal(await posted(phalaTopic), 1);
      await box.retry(sent.sendId);
      const again = await end((await box.receipt(sent.sendId))!);
      assert.ok('blockHash' in again);
      assert.equal(await posted(phalaTopic), 2);
    });

  for (const as of kinds)
    it(`waits for a node that lacks blocks which are final, and does not take a message of a ${as} for lost`, async () => {
      const before = await outbox();
      const sent = await before.send(message(as));
      const { blockNumber, blockHash } = await sent.reached('inBlock');
      await before.stop();
      await dev.newBlock({ count: eraBlocks + 4, empty: true });
      let lacks = 2;
      proxy.alter = (method, [numbers], result) => {
        const asked = [numbers].flat();
        if (method !== 'chain_getBlockHash' || !asked.includes(blockNumber) || lacks-- <= 0) return result;
        return Array.isArray(numbers) ? asked.map(() => null) : null;
      };
      const arrival = await end((await (await restarted()).receipt(sent.sendId))!);
      assert.ok('blockHash' in arrival);
      assert.equal(arrival.blockHash, blockHash);
      assert.ok(lacks < 2, 'the node was asked while it lacked the block');
      assert.equal(await posted(topicOf(recipient.identity)), 1);
    });

  it('reads what was signed for a worker in any call, and nothing that only looks like it', () => {
    const id: Hex = `0x${'ab'.repeat(32)}`;
    const signed = `02${id.slice(2)}047408010207${'00'.repeat(7)}0101${'cd'.repeat(64)}`;
    const [found, ...others] = signedMessagesIn(`0x1234${signed}ff`, id);
    assert.ok(found !== undefined && others.length === 0);
    assert.deepEqual([toHex(found.destination), toHex(found.payload), found.sequence], ['0x74', '0x0102', 7n]);
    assert.equal(toHex(found.signature), `0x${'cd'.repeat(64)}`);
    assert.deepEqual(found.content.subarray(0, 33), fromHex(`0x02${id.slice(2)}`));
    assert.deepEqual(signedMessagesIn(`0x${signed}`, `0x${'ac'.repeat(32)}`), []);
    assert.deepEqual(signedMessagesIn(`0x${signed.slice(0, -4)}`, id), [], 'cut short');
    assert.equal(signedMessagesIn(`0x0${signed}0`, id).length, 0, 'at half a byte');
  });
});
