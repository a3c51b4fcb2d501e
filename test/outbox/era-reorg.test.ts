import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { equalBytes, messageId, topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, type Arrival, type Outbox, type Posted, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { rangeOf } from '../../src/store/keys.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { Refusal, Reply, startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { currentKey } from '../support/vaults.ts';

/** More than an era and what counts as deep behind it. */
const finalityLag = 110;
/** Blocks until an extrinsic is given up that is anchored 32 below the best one: its era is over 32 blocks deep. */
const givenUpAfter = 65;
/** More than counts as deep where finality lags. */
const deep = 40;

type Kind = 'worker' | 'account';
type Sent = Receipt<Arrival & Posted>;

describe('outbox: an extrinsic that was given up while finality lags, and to which a reorg gives its blocks back', function () {
  this.timeout(300_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let proxy: RpcProxy;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;
  let store: TransactionalStore;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag });
    direct = await connectChain({ endpoints: [dev.ws] });
    proxy = await startRpcProxy(dev.ws);
    chain = await connectChain({ endpoints: [proxy.ws] });
    [sender, recipient] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
    await dev.newBlock({ count: finalityLag, empty: true });
  });

  after(async () => {
    await chain.stop();
    await direct.stop();
    await proxy[Symbol.asyncDispose]();
    await dev.stop();
    await folder.remove();
  });

  beforeEach(() => {
    proxy.refuse = () => undefined;
    proxy.hold = () => undefined;
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  /** The node says that it takes the first extrinsic, and puts it nowhere. */
  function swallowFirst(): Promise<Hex> {
    let first: Hex | undefined;
    proxy.refuse = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      first ??= extrinsic as Hex;
      return extrinsic === first ? new Reply('swallowed') : undefined;
    };
    return until(() => first);
  }

  /** Extrinsics that come until `isOver` are passed on and kept; then the node says that it takes those, and puts them nowhere. */
  function swallowLater(isOver: () => boolean): Hex[] {
    const kept: Hex[] = [];
    proxy.refuse = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      if (!isOver()) kept.push(extrinsic as Hex);
      return isOver() && kept.includes(extrinsic as Hex) ? new Reply('swallowed') : undefined;
    };
    return kept;
  }

  async function started(client = chain): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    store = openMemoryStore();
    const box = createOutbox({ chain: client, vault: sender, store, directory, account: alice });
    open.push(box);
    await box.start();
    return box;
  }

  const send = (box: Outbox, text: string, as: Kind): Promise<Sent> =>
    box.send({ to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as, via: 'chain' });

  const command = async (box: Outbox, topic: Uint8Array, as: Kind): Promise<Sent> =>
    box.send({
      ...({ suite: 'phala', topic, content: utf8('run'), as } as const),
      recipientKey: await currentKey(recipient),
    });

  /** Whether blocks behind this one have all that was queued. */
  async function areAllBehind(number: number, box: Outbox): Promise<boolean> {
    for await (const { status } of box.entries())
      if (status.state !== 'inBlock' || status.blockNumber <= number) return false;
    return true;
  }

  /** Blocks come until all are final: what was posted is that, once, and where receipts say. */
  async function assertOnce(first: number, topic: Uint8Array, receipts: readonly Sent[]): Promise<void> {
    const reached = Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
    const over = new AbortController();
    const end = (): void => over.abort();
    reached.then(end, end);
    while (!over.signal.aborted) {
      await dev.newBlock();
      // Asked behind it: what the node tells of the block is here by then.
      await chain.bestHead();
    }
    const arrivals = await reached;
    assert.deepEqual(
      await postedSince(first, topic),
      arrivals.map((arrival) => arrival.messageId),
    );
    for (const { blockNumber, blockHash } of arrivals)
      assert.equal((await direct.headAt(blockNumber))?.hash, blockHash);
    // Nothing is looked for any more.
    await until(async () => (await store.entries(rangeOf('outbox/refused/'))).length === 0);
  }

  /** Ids of what was posted since a block to the recipient, and under a topic. */
  async function postedSince(first: number, topic: Uint8Array): Promise<Hex[]> {
    const ids: Hex[] = [];
    for (let number = first; number <= dev.head.number; number++) {
      const head = (await direct.headAt(number)) ?? assert.fail('it is there');
      for (const { destination, payload } of await direct.at(head.hash).outboundMessages())
        if ([topic, topicOf(recipient.identity)].some((each) => equalBytes(destination, each)))
          ids.push(messageId({ genesisHash: direct.genesisHash, envelope: payload }));
    }
    return ids;
  }

  for (const as of ['worker', 'account'] as const) {
    for (const isDeep of [false, true])
      it(`has brought each message of a ${as} once in the end, what took its place ${isDeep ? 'deep' : 'new'}`, async () => {
        const topic = utf8(`given up ${as} ${isDeep}`);
        const first = dev.head.number + 1;
        const swallowed = swallowFirst();
        const box = await started();
        const receipts = [await send(box, 'once', as), await command(box, topic, as)];
        const former = [await swallowed];
        const before = dev.head.number;
        await dev.newBlock({ count: givenUpAfter, empty: true });
        // By what was signed anew.
        const early = await Promise.all(receipts.map((receipt) => receipt.reached('inBlock')));
        assert.ok(early.every(({ blockNumber }) => blockNumber > before + givenUpAfter));
        if (isDeep) {
          await dev.newBlock({ count: deep, empty: true });
          // Posted by who has looked at those blocks.
          receipts.push(await send(box, 'later', as));
          await receipts.at(-1)?.reached('inBlock');
        }
        await dev.reorg(before);
        for (const each of former) await submit(dev.ws, each);
        await assertOnce(first, topic, receipts);
      });

    it(`lets two of a ${as} go on while finality lags, and has brought each message once in the end`, async () => {
      const topic = utf8(`two of ${as}`);
      const first = dev.head.number + 1;
      let isOver = false;
      const former = swallowLater(() => isOver);
      const box = await started();
      const before = dev.head.number;
      const receipts = [await send(box, 'one', as)];
      await receipts[0]?.reached('inBlock');
      receipts.push(await command(box, topic, as));
      await receipts[1]?.reached('inBlock');
      assert.equal(former.length, 2);
      isOver = true;
      await dev.reorg(before, { resubmit: false });
      await dev.newBlock({ count: givenUpAfter + 1, empty: true });
      await until(() => areAllBehind(before + givenUpAfter, box));
      assert.ok(dev.finalized.number < before);
      await dev.reorg(before);
      for (const each of former) await submit(dev.ws, each);
      await assertOnce(first, topic, receipts);
    });
  }

  it('that is told dead by a block which a reorg takes then, and comes in: what it carries is not posted beside it', async () => {
    const topic = utf8('between');
    const first = dev.head.number + 1;
    const swallowed = swallowFirst();
    let reorg: Promise<void> | undefined;
    const fates: Chain['fates'] = async (...asked) => {
      const told = await chain.fates(...asked);
      const [fate] = told.of.values();
      if (fate?.kind === 'dead') await (reorg ??= giveBack());
      return told;
    };
    const box = await started(replacing(chain, { fates }));
    const before = dev.head.number;
    const giveBack = async (): Promise<void> => {
      await dev.reorg(before);
      await submit(dev.ws, await swallowed);
      await until(() => dev.head.number > before);
    };
    const receipt = await command(box, topic, 'account');
    await swallowed;
    await dev.newBlock({ count: givenUpAfter, empty: true });
    await until(() => reorg !== undefined);
    await reorg;
    await assertOnce(first, topic, [receipt]);
  });

  /** The first extrinsic is passed on though it is refused. */
  function refuseFirst(refusal: Refusal): void {
    let passedOn: Promise<void> | undefined;
    proxy.hold = (method) => (method.startsWith('author_submit') ? passedOn : undefined);
    proxy.refuse = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit') || passedOn !== undefined) return undefined;
      passedOn = submit(dev.ws, extrinsic as Hex);
      return refusal;
    };
  }

  it('is in a block that is deep, though a node refused it, and goes again where a reorg takes that', async () => {
    const topic = utf8('refused');
    const first = dev.head.number + 1;
    refuseFirst(new Refusal('Invalid Transaction', 1010, 'Transaction has an ancient birth block'));
    const before = dev.head.number;
    const box = await started();
    const receipt = await command(box, topic, 'account');
    await until(() => dev.head.number >= first);
    await dev.newBlock({ count: deep, empty: true });
    assert.equal((await receipt.reached('inBlock')).blockNumber, before + 1);
    await dev.reorg(before, { resubmit: false });
    await dev.newBlock({ count: deep, empty: true });
    await until(() => areAllBehind(before + deep, box));
    await assertOnce(first, topic, [receipt]);
  });

  for (const isCancelled of [false, true])
    it(`counts as final in a block that is deep, though it had ${isCancelled ? 'been cancelled' : 'failed by the word of a node'}`, async () => {
      const topic = utf8(`failed ${isCancelled}`);
      const first = dev.head.number + 1;
      refuseFirst(new Refusal('Invalid Transaction', 1010, 'Custom error: 7'));
      const box = await started();
      const { sendId, reached } = await command(box, topic, 'account');
      await assert.rejects(reached('inBlock'), { code: 'extrinsic-rejected' });
      if (isCancelled) await box.cancel(sendId);
      await until(() => dev.head.number >= first);
      await dev.newBlock({ count: deep, empty: true });
      const { messageId: id } = await until(async () => {
        for await (const { status } of box.entries()) return status.state === 'finalized' && status;
        return false;
      });
      assert.ok(dev.finalized.number < first);
      assert.deepEqual(await postedSince(first, topic), [id]);
    });
});

/** As another node would that has it yet. */
async function submit(ws: string, extrinsic: Hex): Promise<void> {
  const socket = new WebSocket(ws);
  await once(socket, 'open');
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'author_submitExtrinsic', params: [extrinsic] }));
  const [answer] = (await once(socket, 'message')) as [Buffer];
  assert.equal((JSON.parse(answer.toString()) as { readonly error?: unknown }).error, undefined);
  socket.close();
}
