import assert from 'node:assert/strict';
import { join } from 'node:path';
import { filter, firstValueFrom, startWith } from 'rxjs';
import {
  accountFromSuri,
  connectChain,
  createInbox,
  createOutbox,
  createRelay,
  createRelayClient,
  createReplier,
  createRequester,
  createVault,
  encodeSignedEnvelope,
  openLmdbMailStore,
  openLmdbStore,
  readWorker,
  registerEntity,
  rotateEntity,
  sealMessage,
  startDevChain,
  watchWorkerState,
  type BodyInput,
  type Chain,
  type Delivery,
  type Hex,
  type Vault,
  type WorkerStateWatch,
} from '../src/index.ts';
import { cheapKdf, temporaryFolder, utf8 } from './support/entities.ts';
import { InboxProbe } from './support/inbox-probe.ts';
import { describeRealNode, startRealNode } from './support/real-node.ts';

// The main job through the public entry point alone, as a user of the library would write it.
interface Node {
  readonly ws: string;
  stop(): Promise<void>;
}

describe('the main job (embedded chain)', () => {
  mainJobOn(() => startDevChain());
});

describeRealNode('the main job', () => {
  // A node that seals instantly finalizes nothing: this one makes a block every half second.
  mainJobOn(() => startRealNode({ blockTimeMs: 500 }));
});

function mainJobOn(start: () => Promise<Node>): void {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let node: Node;
  let chain: Chain;
  let watch: WorkerStateWatch;
  let a: Vault;
  let b: Vault;
  const alice = accountFromSuri('//Alice');

  before(async () => {
    folder = await temporaryFolder();
    node = await start();
    chain = await connectChain({ endpoints: [node.ws] });
    watch = watchWorkerState(chain);
    await watch.ready;
    a = await createVault({ path: join(folder.path, 'a'), passphrase: 'a', cost: cheapKdf });
    b = await createVault({ path: join(folder.path, 'b'), passphrase: 'b', cost: cheapKdf });
  });

  after(async () => {
    await watch.stop();
    await chain.stop();
    await node.stop();
    await folder.remove();
  });

  function seen(id: Hex, epoch: number): Promise<unknown> {
    const isSeen = (): boolean => watch.state.get(id)?.current.epoch === epoch;
    return firstValueFrom(watch.changes$.pipe(startWith(undefined), filter(isSeen)));
  }

  function openStore(name: string) {
    return openLmdbStore({ path: join(folder.path, name) });
  }

  it('finds both, delivers on chain and off chain, carries a reply back, and survives a rotation', async () => {
    const { genesisHash } = chain;
    await using storeA = await openStore('store-a');
    await using storeB = await openStore('store-b');
    await using mailStore = await openLmdbMailStore({ path: join(folder.path, 'mail') });
    await using inboxA = createInbox({ chain, vault: a, store: storeA });
    await using inboxB = createInbox({ chain, vault: b, store: storeB });
    const accept = inboxB.accept.bind(inboxB);
    const local = { identity: b.identity, vault: b, accept };
    const listen = { port: 0 };
    await using relay = createRelay({ genesisHash, listen, mailStore, workerState: watch.state, local });
    await relay.start();
    await registerEntity({ chain, vault: a, account: alice });
    await registerEntity({ chain, vault: b, account: accountFromSuri('//Bob') }, [relay.url]);
    await Promise.all([seen(a.identity, 0), seen(b.identity, 0)]);
    assert.equal((await readWorker(chain, b.identity))?.current.proven, true);

    for (const inbox of [inboxA, inboxB]) await inbox.start();
    await Promise.all([inboxA.ready, inboxB.ready]);
    const [atB] = [new InboxProbe(inboxB)];
    await using outbox = createOutbox({ chain, vault: a, store: storeA, directory: watch.state, account: alice });
    await outbox.start();
    const onChain = await outbox.send({ to: b.identity, body: data('on chain') });
    await atB.until(() => atB.texts.includes('on chain'));
    const { messageId: idOnChain } = await onChain.reached('inBlock');
    assert.equal(ofId(atB, idOnChain)?.from, a.identity);

    await using client = createRelayClient({ genesisHash, allowPrivate: true });
    const sender = { vault: a, genesisHash, store: storeA, directory: watch.state };
    const requester = createRequester({ ...sender, client });
    const asking = await requester.ask({ to: b.identity, body: data('off chain') });
    assert.equal(asking.status, 'delivered');
    await atB.until(() => atB.texts.includes('off chain'));
    const asked = ofId(atB, asking.messageId);
    assert.deepEqual([asked?.from, asked?.via], [a.identity, 'relay']);
    const replier = createReplier({ vault: b, genesisHash, store: storeB, directory: watch.state, client, relay });
    await replier.reply(asked ?? assert.fail('nobody asked'), utf8('heard'));
    assert.deepEqual((await asking.reply).content, utf8('heard'));

    const endpoints = watch.state.get(b.identity)?.endpoints ?? [];
    const toOldKey = await sealMessage(sender, { to: b.identity, body: data('to the old key') });
    await rotateEntity({ chain, vault: b, account: alice });
    await seen(b.identity, 1);
    await client.send(await sign(a, toOldKey.envelope), endpoints);
    await outbox.send({ to: b.identity, body: data('to the new key') });
    await atB.until(() => atB.texts.includes('to the new key'));
    assert.deepEqual(atB.texts, ['on chain', 'off chain', 'to the old key', 'to the new key']);
  });

  async function sign(vault: Vault, envelope: Uint8Array): Promise<Uint8Array> {
    const signature = await vault.sign({ type: 'envelope', genesisHash: chain.genesisHash, envelope });
    return encodeSignedEnvelope({ identity: vault.identity, signature, envelope });
  }
}

function data(text: string): BodyInput {
  return { kind: 'data', content: utf8(text) };
}

function ofId(probe: InboxProbe, id: Hex): Delivery | undefined {
  return probe.deliveries.find(({ messageId }) => messageId === id);
}
