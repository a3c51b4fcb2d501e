import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { topicOf } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, openInboxFiles, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openLmdbStore, openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { withCode } from '../chain/support.ts';
import { bob, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';
import { replacing } from '../support/replacing.ts';
import { until } from '../support/until.ts';
import { Poster } from './support.ts';

describe('inbox: dead letters', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let poster: Poster;
  let recipient: Vault;
  let store: TransactionalStore;
  let stores = 0;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
    const [sender, vault] = (await registered(chain, folder.path, ['s', 'r'])) as [Vault, Vault];
    recipient = vault;
    poster = await Poster.of(chain, sender, vault);
  });

  beforeEach(async () => {
    store = await openLmdbStore({ path: join(folder.path, `store-${stores++}`) });
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    await store.close();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function started(options: Partial<InboxOptions> = {}): Promise<Inbox> {
    const inbox = createInbox({ chain, vault: recipient, store, ...options });
    open.push(inbox);
    await inbox.start();
    await inbox.ready;
    return inbox;
  }

  /** The recipient's vault, which can not open anything for now. */
  function broken(): Vault & { works: boolean } {
    const foreign = { genesisHash: `0x${'11'.repeat(32)}` } as const;
    const vault = {
      works: false,
      identity: recipient.identity,
      open: (request: Parameters<Vault['open']>[0]) =>
        recipient.open(vault.works ? request : { ...request, ...foreign }),
      openAll: (request: Parameters<Vault['openAll']>[0]) =>
        recipient.openAll(vault.works ? request : { ...request, ...foreign }),
    };
    return vault as unknown as Vault & { works: boolean };
  }

  /** A message that is accepted, and does not open any more as it is handed out. */
  async function accepted(text: string) {
    const vault = broken();
    vault.works = true;
    const inbox = await started({ vault });
    await poster.send(recipient, text);
    await until(async () => (await new InboxStore(store).itemsFrom(0n, 1)).length > 0);
    vault.works = false;
    return { vault, inbox, probe: new InboxProbe(inbox) };
  }

  it('are delivered when they open on another try, once', async () => {
    const vault = broken();
    const inbox = await started({ vault });
    const probe = new InboxProbe(inbox);
    await poster.send(recipient, 'first', 'second');
    await probe.until(() => probe.events.filter(({ type }) => type === 'dead').length === 2);
    assert.deepEqual(
      (await inbox.retry()).map(({ outcome, code }) => [outcome, code]),
      [
        ['dead', 'open-failed'],
        ['dead', 'open-failed'],
      ],
    );
    assert.deepEqual(
      (await deadLettersOf(store)).map(({ retries }) => retries),
      [1, 1],
    );
    vault.works = true;
    const [oldest] = await deadLettersOf(store);
    assert.deepEqual(
      (await inbox.retry([oldest?.sequence ?? -1n])).map(({ outcome }) => outcome),
      ['accepted'],
    );
    await probe.until(() => probe.texts.includes('first'));
    assert.deepEqual(
      (await inbox.retry()).map(({ outcome }) => outcome),
      ['accepted'],
    );
    await probe.until(() => probe.texts.includes('second'));
    assert.deepEqual(await deadLettersOf(store), []);
    assert.deepEqual(await inbox.retry(), []);
    assert.ok(probe.deliveries.every(({ proven, via, block }) => proven && via === 'chain' && block !== undefined));
  });

  it('that opened on another try, and not when they were handed out, are not lost: the next try delivers them', async () => {
    const { vault, probe } = await accepted('precious');
    // The vault of another process opens it.
    for (const times of [1, 2, 3]) {
      await probe.until(() => probe.events.filter(({ type }) => type === 'dead').length === times);
      if (times === 3) vault.works = true;
      const outcomes = (await (await openInboxFiles(store)).retry(recipient)).map(({ outcome }) => outcome);
      assert.deepEqual(outcomes, ['accepted']);
    }
    await probe.until(() => probe.texts.includes('precious'));
    assert.deepEqual(await deadLettersOf(store), []);
  });

  it('that are named twice are tried, delivered and removed once', async () => {
    const { vault, inbox, probe } = await accepted('precious');
    await poster.post(recipient, utf8('garbage'));
    await probe.until(() => probe.events.filter(({ type }) => type === 'dead').length === 2);
    vault.works = true;
    const letters = await deadLettersOf(store);
    const named = [...letters, ...letters].map(({ sequence }) => sequence);
    const outcomes = (await inbox.retry(named)).map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ['accepted', 'dead']);
    await poster.send(recipient, 'behind it');
    await probe.until(() => probe.texts.includes('behind it'));
    assert.deepEqual(probe.texts, ['precious', 'behind it']);
    const left = await deadLettersOf(store);
    assert.deepEqual(
      left.map(({ retries }) => retries),
      [1],
    );
    assert.deepEqual(
      await (await openInboxFiles(store)).discard(named),
      left.map(({ sequence }) => sequence),
    );
  });

  it('whose nonce was delivered meanwhile are dropped on another try', async () => {
    const vault = broken();
    const inbox = await started({ vault });
    const probe = new InboxProbe(inbox);
    const envelope = await poster.sealed(recipient, 'once');
    await poster.post(recipient, envelope);
    await probe.until(() => probe.events.some(({ type }) => type === 'dead'));
    vault.works = true;
    await poster.post(recipient, envelope);
    await probe.until(() => probe.texts.includes('once'));
    assert.deepEqual(
      (await inbox.retry()).map(({ outcome }) => outcome),
      ['duplicate'],
    );
    assert.deepEqual(probe.texts, ['once']);
  });

  it('stay dead where who posted them is not who they name', async () => {
    const inbox = await started();
    const probe = new InboxProbe(inbox);
    const payload = await poster.sealed(recipient, 'as if of alice');
    await chain.submit([{ kind: 'push-message', destination: topicOf(recipient.identity), payload }], bob);
    await probe.until(() => probe.events.some(({ type }) => type === 'dead'));
    const [letter] = await deadLettersOf(store);
    assert.deepEqual([letter?.code, letter?.sender], ['sender-not-proven', { kind: 'account', id: bob.id }]);
    assert.deepEqual(
      (await inbox.retry()).map(({ outcome, code }) => [outcome, code]),
      [['dead', 'sender-not-proven']],
    );
    await poster.send(recipient, 'behind it');
    await probe.until(() => probe.texts.includes('behind it'));
    assert.deepEqual(probe.texts, ['behind it']);
  });

  it('can be listed, tried and removed without the chain, beside the inbox that runs', async () => {
    const vault = broken();
    const probe = new InboxProbe(await started({ vault }));
    await poster.send(recipient, 'late');
    await poster.post(recipient, utf8('garbage'));
    await probe.until(() => probe.events.filter(({ type }) => type === 'dead').length === 2);
    await using other = await openLmdbStore({ path: join(folder.path, `store-${stores - 1}`) });
    const files = await openInboxFiles(other);
    assert.equal(files.genesisHash, chain.genesisHash);
    assert.equal(files.cursor?.number, (await chain.finalizedHead()).number);
    vault.works = true;
    const outcomes = (await files.retry(recipient)).map(({ outcome }) => outcome);
    assert.deepEqual(outcomes, ['accepted', 'dead']);
    // The inbox that runs looks for itself, and what it decided meanwhile is decided again.
    await poster.send(recipient, 'after');
    await probe.until(() => probe.texts.includes('after'));
    assert.deepEqual(probe.texts, ['late', 'after']);
    const [left] = await deadLettersOf(store);
    assert.deepEqual(await files.discard([left?.sequence ?? -1n, 999n]), [left?.sequence]);
    // Read by the opening that removed it: another one may still be within the snapshot of this turn.
    assert.deepEqual(await deadLettersOf(other), []);
  });

  it('that another process accepted take nothing from the blocks that come next, nor bring any of it twice', async () => {
    const vault = broken();
    const inbox = await started({ vault });
    const probe = new InboxProbe(inbox);
    await poster.send(recipient, 'late');
    await probe.until(() => probe.events.some(({ type }) => type === 'dead'));
    vault.works = true;
    await (await openInboxFiles(store)).retry(recipient);
    // Together in a block, and before the inbox that runs has looked for what others accepted.
    const texts = ['a', 'b', 'c', 'd'];
    await poster.send(recipient, ...texts);
    await probe.until(() => probe.texts.length === 5);
    assert.deepEqual(probe.texts, ['late', ...texts]);
    await inbox.stop();
    const again = new InboxProbe(await started());
    await poster.send(recipient, 'last');
    await again.until(() => again.texts.includes('last'));
    assert.deepEqual(again.texts, ['last']);
  });

  it('whose nonce another process admitted are not delivered again where they are posted again', async () => {
    const vault = broken();
    vault.works = true;
    const probe = new InboxProbe(await started({ vault }));
    await poster.send(recipient, 'first');
    await probe.until(() => probe.texts.includes('first'));
    vault.works = false;
    const envelope = await poster.sealed(recipient, 'once');
    await poster.post(recipient, envelope);
    await probe.until(() => probe.events.some(({ type }) => type === 'dead'));
    vault.works = true;
    await (await openInboxFiles(store)).retry(recipient);
    await probe.until(() => probe.texts.includes('once'));
    await poster.post(recipient, envelope);
    await poster.send(recipient, 'last');
    await probe.until(() => probe.texts.includes('last'));
    assert.deepEqual(probe.texts, ['first', 'once', 'last']);
  });

  it('are told of and kept over a restart, like all that nobody was there to hear', async () => {
    const inbox = await started();
    await poster.post(recipient, utf8('garbage'));
    await poster.send(recipient, 'waits');
    const { number } = await chain.finalizedHead();
    while (((await openInboxFiles(store)).cursor?.number ?? 0) < number) await new Promise((r) => setTimeout(r, 5));
    await inbox.stop();
    const pending = [];
    for await (const item of (await openInboxFiles(store)).pending()) pending.push(item);
    assert.deepEqual(
      pending.map((item) => [item.kind, item.kind === 'message' && item.state]),
      [['message', 'unacknowledged']],
    );
    const probe = new InboxProbe(await started());
    await probe.until(() => probe.texts.includes('waits'));
    assert.equal(probe.events[0]?.type, 'dead');
  });

  it('of a store that never received anything are none, with a remedy', async () => {
    await assert.rejects(openInboxFiles(openMemoryStore()), withCode('inbox-empty'));
  });

  it('tell of what does not open any more when it is its turn', async () => {
    const vault = broken();
    vault.works = true;
    const inbox = await started({ vault });
    await poster.send(recipient, 'opened once');
    await until(async () => (await new InboxStore(store).itemsFrom(0n, 1)).length > 0);
    vault.works = false;
    const probe = new InboxProbe(inbox);
    await probe.until(() => probe.events.length > 0);
    assert.deepEqual(
      probe.events.map(({ type }) => type),
      ['dead'],
    );
    assert.equal((await deadLettersOf(store)).length, 1);
  });

  it('free their nonce where a reorg takes their block', async () => {
    await using lagging = await startDevChain({ finalityLag: 12 });
    await using other = await connectChain({ endpoints: [lagging.ws] });
    const [sender, vault] = (await registered(other, folder.path, ['s2', 'r2'])) as [Vault, Vault];
    const post = await Poster.of(other, sender, vault);
    const opens = { now: true };
    const failing = replacing(vault, {
      openAll: (request) => vault.openAll(opens.now ? request : { ...request, genesisHash: `0x${'11'.repeat(32)}` }),
    });
    const inbox = createInbox({ chain: other, vault: failing, store, finality: 'best' });
    open.push(inbox);
    await inbox.start();
    await inbox.ready;
    const { number } = await other.bestHead();
    const nonce = BigInt(Date.now()) << 20n;
    await post.post(vault, await post.sealed(vault, 'before', nonce));
    await until(async () => (await new InboxStore(store).itemsFrom(0n, 1)).length > 0);
    opens.now = false;
    const probe = new InboxProbe(inbox);
    await probe.until(() => probe.events.some(({ type }) => type === 'dead'));
    opens.now = true;
    await lagging.reorg(number);
    await lagging.newBlock({ count: 2, empty: true });
    await until(async () => (await deadLettersOf(store)).length === 0);
    await post.post(vault, await post.sealed(vault, 'again', nonce));
    await probe.until(() => probe.texts.includes('again'));
  });
});
