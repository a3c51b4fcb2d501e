import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { concatBytes, toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { alice, utf8 } from '../support/entities.ts';
import { describeRealNode, startRealNode } from '../support/real-node.ts';
import { Refusal, startRpcProxy, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';

const topic = utf8('a topic');
const key = storagePrefix('PhalaMq', 'OutboundMessages');
const method = 'state_queryStorage';

/** What `OutboundMessages` would be with these payloads to the topic, and one to another. */
function valueOf(...payloads: readonly string[]): Hex {
  const writer = new Writer().compactLength(payloads.length + 1);
  const sender = concatBytes(Uint8Array.of(3), new Uint8Array(32).fill(7));
  for (const payload of payloads) writer.raw(sender).bytes(topic).bytes(utf8(payload));
  writer.raw(Uint8Array.of(5)).bytes(utf8('another topic')).bytes(new Uint8Array(300).fill(1));
  return toHex(writer.finish());
}

const refuses: Alter = (asked, _params, result) =>
  asked === method ? new Refusal('RPC call is unsafe to be called externally') : result;

/** Every message of all finalized blocks, and in which it is. */
async function messagesOf(chain: Chain): Promise<string[]> {
  const { number: last } = await chain.finalizedHead();
  const genesis = await chain.headAt(0);
  assert.ok(genesis !== undefined);
  const found: string[] = [];
  for await (const span of chain.messages.follow(genesis, { topics: [topic], verify: false })) {
    assert.ok(span.type === 'blocks');
    for (const { block, sender, payload } of span.messages)
      found.push(`${block.number} ${block.hash} ${sender.kind} ${new TextDecoder().decode(payload)}`);
    if (span.through.number >= last) return found;
  }
  return found;
}

describe('chain: messages of many blocks by one request', () => {
  let dev: DevChain;
  const open: AsyncDisposable[] = [];

  before(async () => {
    dev = await startDevChain();
    const values = ['a', 'a', '', 'b', 'b', '', '', 'c'];
    for (let i = 0; i < 90; i++) {
      const text = values[i % values.length] ?? '';
      if (text === '') await dev.newBlock();
      else await dev.setStorage([[key, valueOf(text, `${text}${text}`)]]);
    }
    await dev.newBlock({ count: 320 });
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(() => dev.stop());

  async function through(alter: Alter): Promise<{ chain: Chain; proxy: RpcProxy }> {
    const proxy = await startRpcProxy(dev.ws, alter);
    open.push(proxy);
    const chain = await connectChain({ endpoints: [proxy.ws] });
    open.push(chain);
    return { chain, proxy };
  }

  const asked = (proxy: RpcProxy, name: string): number => proxy.asked.get(name) ?? 0;

  it('are those of each block by itself, where blocks repeat what the one before had too', async () => {
    const ranges = await through((_method, _params, result) => result);
    const alone = await through(refuses);
    const messages = await messagesOf(ranges.chain);
    assert.deepEqual(messages, await messagesOf(alone.chain));
    assert.equal(messages.length, 90 * 2 - 2 * [2, 5, 6].reduce((sum, at) => sum + Math.ceil((90 - at) / 8), 0));
    assert.ok(asked(ranges.proxy, method) <= 8);
    assert.equal(asked(ranges.proxy, 'state_getStorage'), 0);
    assert.ok(asked(alone.proxy, 'state_getStorage') >= 90);
  });

  const nonsense: Readonly<Record<string, (sets: { block: Hex; changes: [Hex, Hex | null][] }[]) => unknown>> = {
    null: () => null,
    'no block': () => [],
    'the first block left out': (sets) => sets.slice(1),
    'a block of another chain': (sets) => [...sets, { block: `0x${'ab'.repeat(32)}`, changes: [[key, null]] }],
    'blocks out of order': ([first, ...sets]) => [first, ...sets.reverse()],
    'a block twice': (sets) => [...sets, sets.at(-1)],
    'another key': (sets) => sets.map(({ block, changes }) => ({ block, changes: [[`${key}00`, changes[0]?.[1]]] })),
    'a number as a value': (sets) => sets.map(({ block }) => ({ block, changes: [[key, 1]] })),
    'no changes': (sets) => sets.map(({ block }) => ({ block })),
  };
  for (const [name, change] of Object.entries(nonsense))
    it(`are read of each block where the answer is no list of changes: ${name}`, async () => {
      const { chain, proxy } = await through((each, _params, result) =>
        each === method ? change(result as { block: Hex; changes: [Hex, Hex | null][] }[]) : result,
      );
      assert.deepEqual(await messagesOf(chain), await messagesOf((await through(refuses)).chain));
      assert.ok(asked(proxy, method) > 0 && asked(proxy, method) <= 4, 'it is not asked again');
    });

  it('are read a few at a time where many are more than the node sends at once', async () => {
    const sent: number[] = [];
    const { chain, proxy } = await through((each, _params, result) => {
      if (each !== method) return result;
      const changes = (result as readonly unknown[]).length;
      if (changes > 4) return new Refusal('Response is too big', -32008);
      sent.push(changes);
      return result;
    });
    assert.deepEqual(await messagesOf(chain), await messagesOf((await through(refuses)).chain));
    assert.ok(sent.length > 90 / 4, `${sent.length} answers`);
    assert.equal(asked(proxy, 'state_getStorage'), 0, 'none is read by itself');
  });

  it('are read of each block where a range is refused for a block without state, and of others by ranges again', async () => {
    const refusal = new Refusal('Client error: UnknownBlock: State already discarded for the block', 4003);
    let refused = 0;
    const { chain, proxy } = await through((each, _params, result) =>
      each === method && refused++ < 4 ? refusal : result,
    );
    assert.deepEqual(await messagesOf(chain), await messagesOf((await through(refuses)).chain));
    const alone = asked(proxy, 'state_getStorage');
    assert.ok(alone > 0 && alone <= 4 * 64, `${alone} blocks were read by themselves`);
    assert.ok(asked(proxy, method) > 4);
  });
});

describeRealNode('chain: messages of many blocks by one request of a real node', function () {
  this.timeout(120_000);

  for (const safeRpcOnly of [false, true])
    it(`are those that were posted, the same in two blocks in a row too${safeRpcOnly ? ', without unsafe RPCs' : ''}`, async () => {
      await using node = await startRealNode({ safeRpcOnly, blockTimeMs: 500 });
      await using proxy = await startRpcProxy(node.ws, (_method, _params, result) => result);
      await using chain = await connectChain({ endpoints: [proxy.ws] });
      const posted: string[] = [];
      for (const text of ['one', 'one', 'two', 'one', 'one', 'one']) {
        const payload = utf8(text.repeat(200));
        const { blockNumber, blockHash } = await chain.submit(
          [{ kind: 'push-message', destination: topic, payload }],
          alice,
        );
        posted.push(`${blockNumber} ${blockHash} account ${text.repeat(200)}`);
      }
      const last = Number(posted.at(-1)?.split(' ')[0]);
      await until(async () => (await chain.finalizedHead()).number >= last);
      assert.deepEqual(await messagesOf(chain), posted);
      assert.equal((proxy.asked.get('state_getStorage') ?? 0) > 0, safeRpcOnly);
    });
});
