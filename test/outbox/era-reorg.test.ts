import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocket } from 'ws';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { equalBytes, messageId, topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { Reply, startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { currentKey } from '../support/vaults.ts';

/** More than an era and what counts as deep behind it. */
const finalityLag = 110;
/** Blocks until an extrinsic is given up that is anchored 32 below the best one: its era is over 32 blocks deep. */
const givenUpAfter = 65;

describe('outbox: an extrinsic whose era was over, and to which a reorg gives its blocks back', function () {
  this.timeout(300_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let proxy: RpcProxy;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;

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

  for (const as of ['worker', 'account'] as const)
    it(`has brought each message of a ${as} once in the end, and receipts say where`, async () => {
      const topic = utf8(`given up ${as}`);
      const first = dev.head.number + 1;
      const directory = await directoryOf(recipient);
      await using box = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice });
      const receipts = [
        await box.send({ to: recipient.identity, body: { kind: 'data', content: utf8('once') }, as, via: 'chain' }),
        await box.send({
          ...({ suite: 'phala', topic, content: utf8('run'), as } as const),
          recipientKey: await currentKey(recipient),
        }),
      ];
      const swallowed = swallowFirst();
      await box.start();
      const former = await swallowed;
      const before = dev.head.number;
      await dev.newBlock({ count: givenUpAfter, empty: true });
      // By what was signed anew.
      const early = await Promise.all(receipts.map((receipt) => receipt.reached('inBlock')));
      assert.ok(early.every(({ blockNumber }) => blockNumber > before + givenUpAfter));

      await dev.reorg(before);
      await submit(dev.ws, former);
      const reached = Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
      const over = new AbortController();
      const end = (): void => over.abort();
      reached.then(end, end);
      while (!over.signal.aborted) await dev.newBlock();
      const arrivals = await reached;
      assert.deepEqual(
        await postedSince(first, topic),
        arrivals.map((arrival) => arrival.messageId),
      );
      for (const { blockNumber, blockHash } of arrivals)
        assert.equal((await direct.headAt(blockNumber))?.hash, blockHash);
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
