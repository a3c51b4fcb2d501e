import assert from 'node:assert/strict';
import { WebSocket } from 'ws';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { equalBytes, messageId, topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { createOutbox, type Outbox, type OutboxOptions, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { Refusal, Reply, startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';

const submitMethods = new Set(['author_submitAndWatchExtrinsic', 'author_submitExtrinsic']);
/** As substrate's nodes word them. */
const refusals = {
  'a used nonce (1010)': new Refusal('Invalid Transaction', 1010, 'Transaction is outdated'),
  'an old birth block (1010)': new Refusal('Invalid Transaction', 1010, 'Transaction has an ancient birth block'),
  'a signature of before an upgrade (1010)': new Refusal(
    'Invalid Transaction',
    1010,
    'Transaction has a bad signature',
  ),
  'a ban (1012)': new Refusal('Transaction is temporarily banned', 1012),
  'another in its place (1014)': new Refusal('Priority is too low: (10 vs 10)', 1014),
  'a full pool (1016)': new Refusal('Immediately Dropped', 1016),
};

/** After which nothing is tried by itself, or not with the same messages. */
const lasting = {
  'what it names nowhere (1010)': new Refusal('Invalid Transaction', 1010, 'Custom error: 7'),
  'an empty account (1010)': new Refusal('Invalid Transaction', 1010, 'Inability to pay some fees'),
  'a full block (1010)': new Refusal('Invalid Transaction', 1010, 'Transaction would exhaust the block limits'),
};

describe('outbox: refusals of the pool', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let proxy: RpcProxy;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;
  let first: number;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    proxy = await startRpcProxy(dev.ws);
    chain = await connectChain({ endpoints: [proxy.ws], backoff: { minMs: 5, maxMs: 20 } });
    [sender, recipient] = (await registered(chain, folder.path, ['a', 'b'])) as [Vault, Vault];
  });

  beforeEach(async () => {
    first = (await chain.bestHead()).number + 1;
  });

  afterEach(async () => {
    proxy.refuse = () => undefined;
    proxy.hold = () => undefined;
    proxy.alter = (_method, _params, result) => result;
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await chain.stop();
    await proxy[Symbol.asyncDispose]();
    await dev.stop();
    await folder.remove();
  });

  async function outbox(options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    const store = openMemoryStore();
    const made = createOutbox({ chain, vault: sender, store, directory, account: alice, ...options });
    open.push(made);
    await made.start();
    return made;
  }

  function send(box: Outbox, text: string, as: 'worker' | 'account'): Promise<Receipt> {
    return box.send({ to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as });
  }

  /** Ids of the messages to the recipient since the test began. */
  async function posted(topic = topicOf(recipient.identity)): Promise<Hex[]> {
    const { number } = await chain.bestHead();
    const ids: Hex[] = [];
    for (let block = first; block <= number; block++) {
      const head = await chain.headAt(block);
      for (const { destination, payload } of head === undefined ? [] : await chain.at(head.hash).outboundMessages())
        if (equalBytes(destination, topic)) ids.push(messageId({ genesisHash: chain.genesisHash, envelope: payload }));
    }
    return ids;
  }

  /** Ids of all messages in the queue, by order, once all are in blocks for good. */
  async function finalizedIn(box: Outbox): Promise<Hex[] | undefined> {
    const ids: Hex[] = [];
    for await (const { status } of box.entries()) {
      if (status.state !== 'finalized') return undefined;
      ids.push(status.messageId);
    }
    return ids;
  }

  /** The first `times` extrinsics get this in the place of the node's answer. */
  function refuse(times: number, answer: (extrinsic: Hex) => Refusal): void {
    let left = times;
    proxy.refuse = (method, params) => (submitMethods.has(method) && left-- > 0 ? answer(params[0] as Hex) : undefined);
  }

  for (const as of ['worker', 'account'] as const)
    for (const [what, refusal] of Object.entries(refusals))
      // CheckMqSequence and a used nonce answer alike; the sequence is looked up then.
      it(`of ${what}: the message of a ${as} comes in once all the same`, async () => {
        refuse(1, () => refusal);
        const box = await outbox();
        const receipt = await send(box, what, as);
        const { messageId: id } = await receipt.reached('finalized');
        assert.deepEqual(await posted(), [id]);
      });

  /** The node takes the first `times` extrinsics, and answers with this all the same. Gives them as they come. */
  function deny(times: number, refusal: Refusal): Hex[] {
    const taken: Hex[] = [];
    proxy.alter = (method, params, result) => {
      if (!submitMethods.has(method) || taken.length >= times) return result;
      taken.push(params[0] as Hex);
      return refusal;
    };
    return taken;
  }

  for (const as of ['worker', 'account'] as const)
    for (const [what, refusal] of Object.entries({ ...refusals, ...lasting }))
      for (const times of [1, 3])
        it(`of ${what} by a node that takes it all the same, ${times} times: the message of a ${as} comes in once`, async () => {
          const taken = deny(times, refusal);
          const box = await outbox();
          const receipts = [await send(box, what, as), await send(box, `after ${what}`, as)];
          await Promise.allSettled(receipts.map((receipt) => receipt.reached('finalized')));
          // What failed by the node's word is found in its block.
          const ids = await until(async () => finalizedIn(box));
          assert.ok(taken.length > 0);
          assert.deepEqual(await posted(), ids);
          proxy.alter = (_method, _params, result) => result;
          await chain.submit([{ kind: 'push-message', destination: utf8('elsewhere'), payload: utf8('x') }], alice);
          assert.deepEqual(await posted(), ids, 'nothing comes after it');
        });

  for (const as of ['worker', 'account'] as const)
    for (const [what, refusal] of Object.entries({ ...refusals, ...lasting }))
      it(`of ${what} by a node that keeps it for later, and tells of another nonce: the message of a ${as} comes in once`, async () => {
        const kept: Hex[] = [];
        proxy.refuse = (method, params) => {
          if (!submitMethods.has(method) || kept.length > 0) return undefined;
          kept.push(params[0] as Hex);
          return refusal;
        };
        proxy.alter = (method, _params, result) =>
          method === 'system_accountNextIndex' && kept.length > 0 ? Number(result) + 1 : result;
        const box = await outbox();
        const receipt = await send(box, what, as);
        await receipt.reached('finalized').catch(() => box.retry(receipt.sendId));
        const [id] = await until(async () => finalizedIn(box));
        assert.deepEqual(await posted(), [id]);
        await rpc(dev.ws, 'author_submitExtrinsic', kept);
        await dev.newBlock();
        assert.deepEqual(await posted(), [id]);
      });

  it('of what the pool has already (1013): it is followed into its block, not posted twice', async () => {
    const seen: Promise<unknown>[] = [];
    refuse(1, (extrinsic) => {
      seen.push(rpc(dev.ws, 'author_submitExtrinsic', [extrinsic]));
      return new Refusal('Transaction is already imported', 1013);
    });
    const receipt = await send(await outbox(), 'already there', 'account');
    const { messageId: id } = await receipt.reached('finalized');
    await Promise.all(seen);
    assert.deepEqual(await posted(), [id]);
  });

  for (const [what, refusal] of [
    ['an empty account (1010)', lasting['an empty account (1010)']],
    ['another in its place (1014)', refusals['another in its place (1014)']],
    ['a full pool (1016)', refusals['a full pool (1016)']],
  ] as const)
    it(`of ${what}, while the outbox stops: the message lies in the queue, and can be cancelled`, async () => {
      const box = await outbox();
      let stopping: Promise<void> | undefined;
      refuse(1, () => {
        stopping = box.stop();
        return refusal;
      });
      const { sendId } = await send(box, 'too late', 'account');
      await until(() => stopping !== undefined);
      await stopping;
      const states: string[] = [];
      for await (const { status } of box.entries()) states.push(status.state);
      assert.deepEqual(states, ['queued']);
      await box.cancel(sendId);
    });

  const firstHeader = {
    ...{ number: '0x1', parentHash: `0x${'11'.repeat(32)}`, stateRoot: `0x${'11'.repeat(32)}` },
    ...{ extrinsicsRoot: `0x${'11'.repeat(32)}`, digest: { logs: [] } },
  };
  /** More blocks than an era has. */
  const era = 70;

  for (const as of ['worker', 'account'] as const)
    it(`of an era that is over each time, since blocks come faster than extrinsics: the message of a ${as} comes in once`, async () => {
      const setbacks: string[] = [];
      let left = 4;
      proxy.hold = (method) => {
        if (!submitMethods.has(method) || left === 0) return undefined;
        left -= 1;
        return dev.newBlock({ count: era, empty: true });
      };
      const before = proxy.refused.length;
      const box = await outbox({ onSetback: ({ code }) => setbacks.push(code) });
      const { messageId: id } = await (await send(box, 'late', as)).reached('finalized');
      assert.deepEqual(
        proxy.refused.slice(before).map(({ code }) => code),
        [1010, 1010, 1010, 1010],
      );
      assert.deepEqual(await posted(), [id]);
      assert.deepEqual(setbacks, []);
    });

  it('of an era that is over, by a node that does not tell which block it has: the message comes in once all the same', async () => {
    let left = 4;
    let isHeld = false;
    proxy.hold = (method) => {
      if (!submitMethods.has(method)) return undefined;
      isHeld = left > 0;
      if (!isHeld) return undefined;
      left -= 1;
      return dev.newBlock({ count: era, empty: true });
    };
    // Who asks for the newest header gives no hash.
    proxy.refuse = (method, params) =>
      isHeld && method === 'chain_getHeader' && params.length === 0 ? new Refusal('Internal error', -32603) : undefined;
    const { messageId: id } = await (await send(await outbox(), 'late', 'account')).reached('finalized');
    assert.equal(left, 0);
    assert.deepEqual(await posted(), [id]);
  });

  it('of an era that begins later, by a node that lags behind: says so, keeps the message, and goes on when that has caught up', async () => {
    const setbacks: string[] = [];
    const isBehind = (): boolean => setbacks.length === 0;
    proxy.refuse = (method, params) => {
      if (!isBehind()) return undefined;
      if (submitMethods.has(method)) return refusals['an old birth block (1010)'];
      if (method === 'chain_getHeader' && params.length === 0) return new Reply(firstHeader);
      return undefined;
    };
    const box = await outbox({ onSetback: ({ code }) => setbacks.push(code) });
    const receipt = await send(box, 'too early', 'account');
    const { messageId: id } = await receipt.reached('finalized');
    assert.deepEqual(setbacks, ['rpc-failed']);
    assert.deepEqual(await posted(), [id]);
  }).timeout(120_000);

  it('of an era that is over for long: says so, keeps the message, and goes on when blocks come slower', async () => {
    const setbacks: string[] = [];
    proxy.hold = (method) =>
      submitMethods.has(method) && setbacks.length === 0 ? dev.newBlock({ count: era, empty: true }) : undefined;
    const box = await outbox({ onSetback: ({ code }) => setbacks.push(code) });
    const receipt = await send(box, 'late for long', 'account');
    const { messageId: id } = await receipt.reached('finalized');
    assert.deepEqual(setbacks, ['extrinsic-expired']);
    assert.deepEqual(await posted(), [id]);
  }).timeout(120_000);

  it('of what it does not take at all (1010): fails with its reason, and can be retried', async () => {
    refuse(1, () => new Refusal('Invalid Transaction', 1010, 'Custom error: 7'));
    const box = await outbox();
    const receipt = await send(box, 'refused', 'account');
    await assert.rejects(receipt.reached('inBlock'), { code: 'extrinsic-rejected', message: /Custom error: 7/ });
    await box.retry(receipt.sendId);
    const again = await box.receipt(receipt.sendId);
    const id = (await again?.reached('inBlock'))?.messageId;
    assert.deepEqual(await posted(), [id]);
  });

  it('of a batch that weighs too much: smaller ones come in, in order', async () => {
    let seen = 0;
    proxy.refuse = (method, params) => {
      const isLarge = submitMethods.has(method) && String(params[0]).length > 3_000;
      if (!isLarge) return undefined;
      seen++;
      return new Refusal('Invalid Transaction', 1010, 'Transaction would exhaust the block limits');
    };
    const store = openMemoryStore();
    const directory = await directoryOf(recipient);
    const queue = createOutbox({ chain, vault: sender, store, directory, account: alice });
    const ids: bigint[] = [];
    for (let i = 0; i < 8; i++) ids.push((await send(queue, `${i}`, 'account')).sendId);
    await queue.stop();
    const box = await outbox({ store });
    const receipts = await Promise.all(ids.map((id) => box.receipt(id)));
    const arrivals = await Promise.all(receipts.map(async (receipt) => receipt?.reached('inBlock')));
    assert.ok(seen > 0);
    assert.deepEqual(
      await posted(),
      arrivals.map((arrival) => arrival?.messageId),
    );
  });

  for (const when of ['before', 'after'] as const)
    it(`and of anything else ${when} an extrinsic is signed: says so, keeps the messages, and goes on`, async () => {
      const setbacks: string[] = [];
      const codes = ['state-discarded', 'bad-storage', 'node-lies', 'no-quorum', 'bad-proof'] as const;
      const failures = codes.map((code) => new RelayError(code));
      const failing = replacing(chain, {
        post: async (calls, account, options) => {
          const failure = failures.shift();
          if (failure === undefined) return chain.post(calls, account, options);
          if (when === 'after') await chain.post(calls, account, options);
          throw failure;
        },
      });
      const box = await outbox({
        chain: failing,
        onSetback: ({ code }) => {
          setbacks.push(code);
          setImmediate(() => {
            box.tryAgain();
          });
        },
      });
      const receipts = [await send(box, 'first', 'account'), await send(box, 'second', 'worker')];
      const arrivals = await Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
      assert.deepEqual((await posted()).toSorted(), arrivals.map(({ messageId: id }) => id).toSorted());
      assert.deepEqual(setbacks, when === 'before' ? codes : codes.slice(0, 2));
    });

  it('and of a store that fails when it is told of a refusal: goes on when it can be written again', async () => {
    const store = openMemoryStore();
    let isBroken = false;
    const broken = replacing(store, {
      commit: (writes, expected) => {
        if (isBroken) return Promise.reject(new RelayError('store-failed', { details: { path: '', reason: 'full' } }));
        return store.commit(writes, expected);
      },
    });
    refuse(1, () => {
      isBroken = true;
      return new Refusal('Invalid Transaction', 1010, 'Inability to pay some fees');
    });
    const setbacks: string[] = [];
    const box = await outbox({ store: broken, onSetback: ({ code }) => setbacks.push(code) });
    const receipt = await send(box, 'stored', 'account');
    await until(() => setbacks.includes('store-failed'));
    isBroken = false;
    const { messageId: id } = await receipt.reached('finalized');
    assert.deepEqual(await posted(), [id]);
  });

  it('of what someone else posts first: a command without a nonce comes in once', async () => {
    const topic = utf8('commands');
    const ahead = replacing(chain, {
      post: async (calls, account, options) => {
        if (calls.some(({ kind }) => kind === 'sync-offchain-message')) await chain.submit(calls, bob);
        return chain.post(calls, account, options);
      },
    });
    const box = await outbox({ chain: ahead });
    const recipientKey = (await recipient.ecdhKeys())[0]?.publicKey ?? new Uint8Array();
    const command = { suite: 'phala', topic, content: utf8('once'), recipientKey } as const;
    const receipts = [await box.send(command), await box.send({ ...command, content: utf8('twice') })];
    const arrivals = await Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
    await box.stop();
    assert.deepEqual(
      await posted(topic),
      arrivals.map(({ messageId: id }) => id),
    );
  });

  it('of two commands: the second goes as it was signed where the first is not tried again, and each comes in once', async () => {
    const topic = utf8('commands in a row');
    const recipientKey = (await recipient.ecdhKeys())[0]?.publicKey ?? new Uint8Array();
    const command = { suite: 'phala', topic, recipientKey, as: 'worker' } as const;
    refuse(Infinity, () => new Refusal('Invalid Transaction', 1010, 'Custom error: 7'));
    const directory = await directoryOf(recipient);
    const box = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice });
    open.push(box);
    const ids = [];
    for (const content of ['first', 'second'])
      ids.push((await box.send({ ...command, content: utf8(content) })).sendId);
    await box.start();
    const end = async (sendId: Receipt['sendId']): Promise<unknown> =>
      (await box.receipt(sendId))?.reached('finalized').then(
        () => 'finalized',
        (error: unknown) => (error as RelayError).code,
      );
    assert.deepEqual(await Promise.all(ids.map(end)), ['extrinsic-rejected', 'extrinsic-rejected']);
    proxy.refuse = () => undefined;
    const [one, two] = ids;
    assert.ok(one !== undefined && two !== undefined);
    await box.retry(two);
    assert.equal(await end(two), 'finalized', 'behind a message that fills the gap');
    assert.equal((await posted(topic)).length, 1);
    await box.retry(one);
    assert.equal(await end(one), 'finalized');
    assert.equal((await posted(topic)).length, 2);
  });

  it('of a pool that stays full: says so, keeps the message, and goes on when there is room', async () => {
    const setbacks: string[] = [];
    let isFull = true;
    proxy.refuse = (method) =>
      isFull && submitMethods.has(method) ? new Refusal('Immediately Dropped', 1016) : undefined;
    const box = await outbox({ onSetback: ({ code }) => setbacks.push(code) });
    const receipt = await send(box, 'full', 'account');
    await until(() => setbacks.includes('pool-full'));
    isFull = false;
    const { messageId: id } = await receipt.reached('finalized');
    assert.deepEqual(await posted(), [id]);
  });
});

/** One request past the proxy. */
async function rpc(ws: string, method: string, params: readonly unknown[]): Promise<void> {
  const socket = new WebSocket(ws);
  await new Promise((resolve) => socket.addEventListener('open', resolve));
  socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }));
  await new Promise((resolve) => socket.addEventListener('message', resolve));
  socket.close();
}
