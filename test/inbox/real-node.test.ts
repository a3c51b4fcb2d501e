import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { messageId, topicOf, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { ForkingNode } from '../support/forking-node.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { describeRealNode, startRealNode, type RealNode } from '../support/real-node.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { Poster } from './support.ts';

const statePruning = 16;
/** Blocks of a frame of proofs, … */
const mostInFrame = 64;
/** … and of all that are under way at most. */
const underWay = 8 * mostInFrame;
const outboundKey = storagePrefix('PhalaMq', 'OutboundMessages');

describeRealNode('inbox', function () {
  this.timeout(180_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: RealNode;
  let chain: Chain;
  let recipient: Vault;
  let poster: Poster;

  before(async () => {
    folder = await temporaryFolder();
    node = await startRealNode({ blockTimeMs: 200, statePruning });
    chain = await connectChain({ endpoints: [node.ws] });
    const [sender, vault] = (await registered(chain, folder.path, ['a', 'b'])) as [Vault, Vault];
    recipient = vault;
    poster = await Poster.of(chain, sender, vault);
  });

  after(async () => {
    await chain.stop();
    await node.stop();
    await folder.remove();
  });

  it('proves every message, with its default options and where they must be proven', async () => {
    const boxes = [{}, { verify: true }].map((options) =>
      createInbox({ chain, vault: recipient, store: openMemoryStore(), ...options }),
    );
    try {
      for (const box of boxes) {
        await box.start();
        await box.ready;
      }
      const probes = boxes.map((box) => new InboxProbe(box));
      // What the trie holds in the leaf and beside it, of several in a block, and of none in the blocks between.
      const { blockNumber } = await poster.send(recipient, 'short');
      await poster.send(recipient, 'some', 'm'.repeat(100_000), 'more');
      await chain.submit([{ kind: 'push-message', destination: utf8('x'), payload: new Uint8Array() }], bob);
      await until(async () => (await chain.bestHead()).number > blockNumber + 5);
      const { blockNumber: last } = await poster.send(recipient, 'last');
      await chain.submit([{ kind: 'push-message', destination: topicOf(alice.id), payload: utf8('other') }], bob);
      for (const probe of probes) {
        await probe.until(() => probe.texts.includes('last'));
        assert.deepEqual(
          probe.deliveries.map(({ proven, finalized, block }) => [proven, finalized, block === undefined]),
          Array.from({ length: 5 }, () => [true, true, false]),
        );
        assert.deepEqual(
          probe.texts.map(({ length }) => length),
          [5, 4, 100_000, 4, 4],
        );
        assert.ok(last > blockNumber + 5);
      }
    } finally {
      for (const box of boxes) await box.stop();
    }
  });

  it('reads more blocks by proofs than it has under way at once, each once, and delivers what they hold in order', async () => {
    await using archive = await startRealNode({ blockTimeMs: 25, statePruning: 'archive' });
    await using direct = await connectChain({ endpoints: [archive.ws] });
    const [sender, to] = (await registered(direct, folder.path, ['window-a', 'window-b'])) as [Vault, Vault];
    const writer = await Poster.of(direct, sender, to);
    const posted: number[] = [];
    for (const text of ['first', 'middle', 'last']) {
      posted.push((await writer.send(to, text)).blockNumber);
      const half = (await direct.finalizedHead()).number + underWay / 2;
      if (text !== 'last') await until(async () => (await direct.finalizedHead()).number > half);
    }
    const [from = 0, , through = 0] = posted;
    await using proxy = await startRpcProxy(archive.ws);
    const times = new Map<unknown, number>();
    let letThrough = (): void => undefined;
    const isEnough = new Promise<void>((resolve) => (letThrough = resolve));
    // Until more than a frame of them is under way.
    proxy.hold = (method, [keys, at]) => {
      if (method !== 'state_getReadProof' || !(keys as Hex[]).includes(outboundKey)) return undefined;
      times.set(at, (times.get(at) ?? 0) + 1);
      if (times.size > mostInFrame) letThrough();
      return isEnough;
    };
    await using reading = await connectChain({ endpoints: [proxy.ws] });
    await using inbox = createInbox({ chain: reading, vault: to, store: openMemoryStore(), from, verify: true });
    await inbox.start();
    const probe = new InboxProbe(inbox);
    await probe.until(() => probe.deliveries.length === 3);
    assert.deepEqual(probe.texts, ['first', 'middle', 'last']);
    assert.ok(probe.deliveries.every(({ proven }) => proven));
    assert.deepEqual(
      probe.deliveries.map(({ block }) => block),
      posted,
    );
    assert.ok(through - from >= underWay, `${through - from} blocks`);
    for (let number = from; number <= through; number++)
      assert.equal(times.get((await direct.headAt(number))?.hash), 1, `proofs of block ${number}`);
  });

  it('names the first and the last block missing where a node prunes and stops, or goes on after them where it may', async () => {
    const { blockNumber: from } = await poster.send(recipient, 'forgotten');
    await until(async () => (await chain.finalizedHead()).number > from + 3 * statePruning);
    const options = { chain, vault: recipient, from };

    await using stopping = createInbox({ ...options, store: openMemoryStore() });
    await stopping.start();
    const probe = new InboxProbe(stopping);
    const before = (await chain.finalizedHead()).number;
    const error: unknown = await probe.until(() => probe.events.length > 0).catch((reason: unknown) => reason);
    assert.ok(isRelayError(error, 'blocks-missing'), String(error));
    const { first, last } = error.details as { first: number; last: number };
    assert.equal(first, from);
    const now = (await chain.finalizedHead()).number;
    assert.ok(last >= from && last >= before - 3 * statePruning && last < now, `${last} is the last missing of ${now}`);
    assert.match(error.remedy, /--state-pruning archive/);

    await using skipping = createInbox({ ...options, store: openMemoryStore(), onGap: 'skip' });
    await skipping.start();
    const going = new InboxProbe(skipping);
    await poster.send(recipient, 'after');
    await going.until(() => going.texts.includes('after'));
    assert.ok(!going.texts.includes('forgotten'));
    const [gap] = going.events;
    assert.ok(gap?.type === 'gap' && gap.first === from && gap.last >= from);
  });
});

describeRealNode('inbox with finality best', function () {
  this.timeout(180_000);

  it('takes back what a reorg took, and brings back what is sealed again', async () => {
    await using node = await ForkingNode.start();
    const folder = await temporaryFolder();
    await using _ = { [Symbol.asyncDispose]: () => folder.remove() };
    await using before = await connectChain({ endpoints: [node.ws] });
    const [sender, recipient] = (await registered(before, folder.path, ['a', 'b'])) as [Vault, Vault];
    await node.keep();

    await using chain = await connectChain({ endpoints: [node.ws] });
    const poster = await Poster.of(chain, sender, recipient);
    const [again, lost, later] = [
      await poster.sealed(recipient, 'again'),
      await poster.sealed(recipient, 'lost'),
      await poster.sealed(recipient, 'later'),
    ];
    await using inbox = createInbox({ chain, vault: recipient, store: openMemoryStore(), finality: 'best' });
    await inbox.start();
    await inbox.ready;
    const probe = new InboxProbe(inbox);
    await poster.post(recipient, again);
    const taken = await poster.post(recipient, lost);
    await probe.until(() => probe.texts.includes('lost'));

    await node.goBack();
    await using after = await connectChain({ endpoints: [node.ws] });
    const anew = await Poster.of(after, sender, recipient);
    await after.submit([{ kind: 'push-message', destination: utf8('x'), payload: new Uint8Array() }], bob);
    await anew.post(recipient, again);
    const { blockNumber } = await anew.post(recipient, later);
    assert.ok(blockNumber > taken.blockNumber);
    await probe.until(() => probe.texts.includes('later'));
    const idOf = (envelope: Uint8Array): string => messageId({ genesisHash: chain.genesisHash, envelope });
    assert.deepEqual(probe.texts, ['again', 'lost', 'later']);
    assert.deepEqual(
      probe.events.flatMap((event) =>
        event.type === 'message' ? [] : [[event.type, 'messageId' in event && event.messageId]],
      ),
      [
        ['retracted', idOf(lost)],
        ['retracted', idOf(again)],
        ['reinstated', idOf(again)],
      ],
    );
    assert.ok(probe.deliveries.every(({ finalized }) => !finalized));
  });
});
