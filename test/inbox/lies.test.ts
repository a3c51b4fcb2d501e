import assert from 'node:assert/strict';
import { connectChain, type BlockId, type Chain } from '../../src/chain/index.ts';
import type { Messages } from '../../src/chain/messages/messages.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, topicOf, type Hex } from '../../src/codec/index.ts';
import { createInbox, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { withCode } from '../chain/support.ts';
import { alice, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { NodeView } from '../support/node-view.ts';
import { replacing } from '../support/replacing.ts';
import { Refusal, startRpcProxy, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';
import { Poster } from './support.ts';

const outboundKey = storagePrefix('PhalaMq', 'OutboundMessages');

interface ReadProof {
  readonly at: Hex;
  readonly proof: readonly Hex[];
}

/** Only proofs of `OutboundMessages`. */
const ofMessages =
  (change: (proof: readonly Hex[]) => readonly unknown[]): Alter =>
  (method, [keys], result) => {
    if (method !== 'state_getReadProof' || !(keys as Hex[]).includes(outboundKey)) return result;
    const { at, proof } = result as ReadProof;
    return { at, proof: change(proof) };
  };
const flipLast = (text: Hex): string => `${text.slice(0, -2)}${text.endsWith('00') ? '01' : '00'}`;

describeOnChains('inbox: a node that lies about messages', {}, (node) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let honest: Chain;
  let recipient: Vault;
  /** The blocks that have a message each, with some between them that have none. */
  let posted: readonly BlockId[];
  /** Of a block without messages. */
  let empty: ReadProof;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    honest = await connectChain({ endpoints: [node.ws] });
    const [sender, vault] = (await registered(honest, folder.path, ['a', 'b'])) as [Vault, Vault];
    recipient = vault;
    const poster = await Poster.of(honest, sender, recipient);
    await using view = await NodeView.open(node.ws);
    empty = await view.ask('state_getReadProof', [outboundKey], (await node.grow()).hash);
    const blocks: BlockId[] = [];
    for (const text of ['one', 'two', 'three']) {
      const { blockNumber, blockHash } = await poster.send(recipient, text);
      blocks.push({ number: blockNumber, hash: blockHash });
      await node.grow(2);
    }
    posted = blocks;
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await honest.stop();
    await folder.remove();
  });

  async function viaProxy(alter: Alter, ...others: string[]): Promise<{ chain: Chain; proxy: RpcProxy }> {
    const proxy = await startRpcProxy(node.ws, alter);
    open.push(proxy);
    const chain = await connectChain({ endpoints: [proxy.ws, ...others], quorum: 1 });
    open.push(chain);
    return { chain, proxy };
  }

  async function inboxOver(chain: Chain, options: Partial<InboxOptions> = {}): Promise<Inbox> {
    const inbox = createInbox({
      chain,
      vault: recipient,
      store: openMemoryStore(),
      from: posted[0]!.number,
      ...options,
    });
    open.push(inbox);
    await inbox.start();
    return inbox;
  }

  it('is not met: every delivery is proven', async () => {
    const { chain } = await viaProxy((_method, _params, result) => result);
    const probe = new InboxProbe(await inboxOver(chain));
    await probe.until(() => probe.deliveries.length === 3);
    assert.deepEqual(probe.texts, ['one', 'two', 'three']);
    assert.deepEqual(
      probe.deliveries.map(({ proven, finalized }) => [proven, finalized]),
      Array.from({ length: 3 }, () => [true, true]),
    );
  });

  const lies: readonly (readonly [string, Alter])[] = [
    ['alters messages', ofMessages((proof) => proof.map(flipLast))],
    ['hides the value', ofMessages((proof) => proof.filter((part) => !isOfTheirs(part)))],
    ['says that a block has none, by the proof of another', ofMessages(() => empty.proof)],
    ['leaves parts of proofs out', ofMessages((proof) => proof.slice(0, -1))],
    ['gives nonsense for a proof', ofMessages(() => ['nonsense'])],
    [
      'forges the state root of a header',
      (method, _, result) =>
        method === 'chain_getHeader' && Number((result as { number: Hex } | null)?.number) >= posted[0]!.number
          ? { ...(result as object), stateRoot: `0x${'07'.repeat(32)}` }
          : result,
    ],
    [
      'gives the hashes of another branch',
      (method, [numbers], result) =>
        method === 'chain_getBlockHash' && Array.isArray(numbers)
          ? (result as Hex[]).map((hash, i) => (i === 1 ? `0x${'08'.repeat(32)}` : hash))
          : result,
    ],
  ];

  for (const [what, alter] of lies) {
    it(`that ${what}: it is named and left, and the next endpoint is read`, async () => {
      const { chain, proxy } = await viaProxy(alter, node.ws);
      const probe = new InboxProbe(await inboxOver(chain));
      await probe.until(() => probe.deliveries.length === 3);
      assert.deepEqual(probe.texts, ['one', 'two', 'three']);
      assert.ok(probe.deliveries.every(({ proven }) => proven));
      const asked = total(proxy);
      await node.grow();
      await chain.finalizedHead();
      assert.equal(total(proxy), asked, 'the endpoint that lied is asked again');
    });

    it(`that ${what}: alone, it ends the inbox with its name, and nothing of it is delivered`, async () => {
      const named = withCode('node-lies', '127.0.0.1');
      const ended = async (): Promise<void> => {
        const { chain } = await viaProxy(alter);
        const probe = new InboxProbe(await inboxOver(chain));
        await probe.until(() => probe.deliveries.length > 0);
      };
      await assert.rejects(ended(), named);
    });
  }

  it('that says it gives no proofs: deliveries say that they are not proven, unless they must be', async () => {
    const { chain } = await viaProxy((method, _, result) =>
      method === 'state_getReadProof' ? new Refusal('Method not found') : result,
    );
    const probe = new InboxProbe(await inboxOver(chain));
    await probe.until(() => probe.deliveries.length === 3);
    assert.ok(probe.deliveries.every(({ proven }) => !proven));
    const strict = new InboxProbe(await inboxOver(chain, { verify: true }));
    await assert.rejects(
      strict.until(() => strict.deliveries.length > 0),
      withCode('proofs-unavailable', '127.0.0.1'),
    );
  });

  it('that says it gives no proofs, beside one that does: all is proven by the other, and nothing that it hides is missed', async () => {
    const { chain } = await viaProxy((method, [key], result) => {
      if (method === 'state_getReadProof' || method === 'state_queryStorage') return new Refusal('Method not found');
      return method === 'state_getStorage' && key === outboundKey ? null : result;
    }, node.ws);
    const probe = new InboxProbe(await inboxOver(chain));
    await probe.until(() => probe.deliveries.length === 3);
    assert.deepEqual(probe.texts, ['one', 'two', 'three']);
    assert.ok(probe.deliveries.every(({ proven }) => proven));
  });

  it('that makes up blocks which it says it has forgotten: no message it has is passed over for it', async () => {
    const made: Hex = `0x${'09'.repeat(32)}`;
    const [{ number: first, hash: forgotten }] = posted as [BlockId];
    const { chain } = await viaProxy((method, params, result) => {
      const [asked, block] = params;
      // Alone, not in bulk: as blocks are looked up here and there.
      const isOne = method === 'chain_getBlockHash' && [asked].flat().length === 1;
      if (isOne && Number([asked].flat()[0]) > first) return Array.isArray(asked) ? [made] : made;
      const isRead = method === 'state_getReadProof' || method === 'state_getStorage';
      return isRead && (block === forgotten || block === made)
        ? new Refusal('Client error: UnknownBlock: State already discarded for the block', 4003)
        : result;
    });
    const probe = new InboxProbe(await inboxOver(chain, { onGap: 'skip' }));
    await probe.until(() => probe.deliveries.length === 2);
    assert.deepEqual(probe.events[0], { type: 'gap', first, last: first });
    assert.deepEqual(probe.texts, ['two', 'three']);
  });

  it('that made up a block which was read: what stands in its place is read, and no message taken twice', async () => {
    const made: BlockId = { number: posted[1]!.number, hash: `0x${'0a'.repeat(32)}` };
    const cursors: number[] = [];
    async function* follow(
      ...[after, options, signal]: Parameters<Messages['follow']>
    ): ReturnType<Messages['follow']> {
      cursors.push(after.number);
      for await (const span of honest.messages.follow(after, options, signal)) {
        if (span.type !== 'blocks' || span.through.number < made.number) {
          yield span;
          continue;
        }
        // The same messages, in a block that is none.
        yield { ...span, through: made };
        const through = await honest.headAt(after.number);
        yield { type: 'retracted', through: { number: after.number, hash: through!.hash } };
        break;
      }
      return yield* honest.messages.follow(after, options, signal);
    }
    const store = openMemoryStore();
    const chain = replacing(honest, { messages: replacing(honest.messages, { follow }) });
    const probe = new InboxProbe(await inboxOver(chain, { store, verify: false }));
    await probe.until(() => probe.deliveries.length === 3);
    const other = { kind: 'push-message', destination: utf8('another/topic'), payload: utf8('x') } as const;
    const { blockNumber: last } = await honest.submit([other], alice);
    await node.grow(2);
    await until(async () => ((await new InboxStore(store).cursor())?.number ?? 0) > last);
    assert.deepEqual(probe.texts, ['one', 'two', 'three']);
    assert.equal(cursors.length, 1);
  });

  it('is believed where verification was turned off', async () => {
    const { chain, proxy } = await viaProxy((method, [key], result) => {
      if (method === 'state_getStorage' && key === outboundKey) return null;
      if (method !== 'state_queryStorage') return result;
      const [set] = result as readonly { readonly block: Hex }[];
      return [{ block: set?.block, changes: [[outboundKey, null]] }];
    });
    const inbox = await inboxOver(chain, { verify: false });
    const probe = new InboxProbe(inbox);
    await inbox.ready;
    assert.deepEqual(probe.deliveries, []);
    assert.equal(proxy.asked.get('state_getReadProof'), undefined);
  });

  /** Of a proof: what the messages stand in. */
  function isOfTheirs(part: Hex): boolean {
    return part.includes(toHex(topicOf(recipient.identity)).slice(2));
  }
});

function total({ asked }: RpcProxy): number {
  return [...asked.values()].reduce((sum, count) => sum + count, 0);
}
