import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { sealMessage } from '../../src/channel/index.ts';
import { messageId } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { deadLettersOf, InboxProbe } from '../support/inbox-probe.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { leftIn } from './left-in.ts';
import { Poster } from './support.ts';

const lag = 12;

describe('inbox with finality best', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let poster: Poster;
  let sender: Vault;
  let recipient: Vault;
  let store: TransactionalStore;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag: lag });
    chain = await connectChain({ endpoints: [dev.ws] });
    [sender, recipient] = (await registered(chain, folder.path, ['s', 'r'])) as [Vault, Vault];
    poster = await Poster.of(chain, sender, recipient);
  });

  beforeEach(() => {
    store = openMemoryStore();
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
    await dev.newBlock({ count: lag + 1, empty: true });
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function started(options: Partial<InboxOptions> = {}): Promise<Inbox> {
    const inbox = createInbox({ chain, vault: recipient, store, finality: 'best', ...options });
    open.push(inbox);
    await inbox.start();
    await inbox.ready;
    return inbox;
  }

  const typesOf = (probe: InboxProbe): string[] => probe.events.map(({ type }) => type);

  it('says of an early delivery that it is neither final nor proven, and when it is', async () => {
    const probe = new InboxProbe(await started());
    const envelope = await poster.sealed(recipient, 'early');
    await poster.post(recipient, envelope);
    await probe.until(() => probe.deliveries.length === 1);
    const [delivery] = probe.deliveries;
    assert.deepEqual([delivery?.finalized, delivery?.proven], [false, false]);
    await dev.newBlock({ count: lag, empty: true });
    await probe.until(() => probe.events.length === 2);
    const id = messageId({ genesisHash: chain.genesisHash, envelope });
    assert.deepEqual(probe.events[1], { type: 'finalized', messageId: id, proven: true });
  });

  it('loses nothing where a reorg during a restart brings a message back in a lower block', async () => {
    const first = await started();
    const probe = new InboxProbe(first);
    const { number } = await chain.bestHead();
    await dev.newBlock({ count: 3, empty: true });
    await poster.send(recipient, 'moved');
    await probe.until(() => probe.texts.includes('moved'));
    await first.stop();
    await dev.reorg(number, { resubmit: true });
    await dev.newBlock();
    const again = new InboxProbe(await started());
    await dev.newBlock({ count: lag + 4, empty: true });
    await again.until(() => typesOf(again).includes('finalized'));
    assert.deepEqual(
      typesOf(again).filter((type) => type !== 'message'),
      ['retracted', 'reinstated', 'finalized'],
    );
    assert.deepEqual(again.texts, []);
  });

  for (const acknowledges of [true, false])
    it(`says that a message is final which a reorg moved while the inbox was down, ${acknowledges ? '' : 'not '}acknowledged`, async () => {
      const first = await started();
      const probe = new InboxProbe(first, { acknowledges });
      const { number } = await chain.bestHead();
      await dev.newBlock({ empty: true });
      await poster.send(recipient, 'moved');
      await probe.until(() => probe.texts.includes('moved'));
      await first.stop();
      await dev.reorg(number, { resubmit: true });
      await dev.newBlock();
      await dev.newBlock({ count: lag + 3, empty: true });
      const again = new InboxProbe(await started(), { acknowledges });
      await again.until(() => typesOf(again).includes('finalized'));
      // What comes as final is not told of what became of it before.
      assert.deepEqual(
        typesOf(again),
        acknowledges ? ['retracted', 'reinstated', 'finalized'] : ['message', 'finalized'],
      );
      assert.ok(again.deliveries.every((delivery) => delivery.finalized));
    });

  it('tells a handler in its turn that a message was taken back', async () => {
    const inbox = await started();
    const log: string[] = [];
    let goOn: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (goOn = resolve));
    const handled = inbox.handle(
      async ({ body }) => {
        log.push(body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind);
        await slow;
      },
      { onEvent: ({ type }) => log.push(type) },
    );
    await poster.send(recipient, 'slow');
    const { number } = await chain.bestHead();
    await poster.send(recipient, 'taken back');
    await until(async () => (await new InboxStore(store).early.messages(number + 1, number + 1)).length > 0);
    await dev.reorg(number);
    await dev.newBlock({ count: 3, empty: true });
    await until(async () => new InboxStore(store).early.hasRetracted());
    goOn();
    await until(() => log.includes('retracted'));
    assert.deepEqual(log.slice(0, 3), ['slow', 'taken back', 'retracted']);
    await inbox.stop();
    await handled;
  });

  it('tells a handler that a message is final once that is handled; the messages of others do not wait for it', async () => {
    const inbox = await started();
    const log: string[] = [];
    let goOn: () => void = () => undefined;
    const slow = new Promise<void>((resolve) => (goOn = resolve));
    const handled = inbox.handle(
      async ({ body, fromKind }) => {
        const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind;
        log.push(text);
        if (fromKind === 'account') await slow;
        log.push(`${text} handled`);
      },
      { concurrency: 2, onEvent: ({ type }) => log.push(type) },
    );
    await poster.send(recipient, 'slow');
    await until(() => log.length === 1);
    await dev.newBlock({ count: lag, empty: true });
    const items = async () => new InboxStore(store).itemsFrom(0n, 4);
    await until(async () => (await items()).some(([, { kind }]) => kind === 'finalized'));
    const directory = await directoryOf(recipient);
    const sending = { vault: sender, genesisHash: chain.genesisHash, store: openMemoryStore(), directory };
    const body = { kind: 'data', content: utf8('other') } as const;
    await inbox.accept((await sealMessage(sending, { to: recipient.identity, body })).envelope);
    await until(() => log.includes('other handled'));
    assert.deepEqual(log, ['slow', 'other', 'other handled']);
    goOn();
    await until(() => log.includes('finalized'));
    assert.deepEqual(log.slice(3), ['slow handled', 'finalized']);
    await inbox.stop();
    await handled;
  });

  it('tells again after a crash what stood behind messages that nobody was done with', async () => {
    const first = await started();
    const probe = new InboxProbe(first, { acknowledges: false });
    await poster.send(recipient, 'early');
    await dev.newBlock({ count: lag, empty: true });
    await probe.until(() => typesOf(probe).includes('finalized'));
    await first.stop();
    const second = await started();
    const again = new InboxProbe(second);
    await again.until(() => typesOf(again).includes('finalized'));
    assert.deepEqual(typesOf(again), ['message', 'finalized']);
    await until(async () => (await new InboxStore(store).itemsFrom(0n, 1)).length === 0);
    await second.stop();
    const last = new InboxProbe(await started());
    await poster.send(recipient, 'after');
    await last.until(() => last.texts.includes('after'));
    assert.deepEqual(typesOf(last), ['message']);
  });

  describe('of a message that waits for room', () => {
    /** One sender alone has one of these. */
    const inFlight = { count: 2, bytes: 2 ** 20 };

    /** One message is handed out and not done with, so that another waits, of a block behind it. */
    async function waiting() {
      const inbox = await started({ inFlight });
      const probe = new InboxProbe(inbox, { acknowledges: false });
      await poster.send(recipient, 'in work');
      await probe.until(() => probe.deliveries.length === 1);
      const { number } = await chain.bestHead();
      const envelope = await poster.sealed(recipient, 'waits');
      await poster.post(recipient, envelope);
      await until(async () => (await new InboxStore(store).early.taken(number + 1, number + 1)).length > 0);
      return { inbox, probe, number, envelope };
    }

    /** Subscribes to an inbox that goes on where another one ended. */
    async function goOn(inbox: Inbox): Promise<InboxProbe> {
      await inbox.stop();
      return new InboxProbe(await started({ inFlight }));
    }

    const isFinalUpTo = (block: number) =>
      until(async () => ((await new InboxStore(store).cursor())?.number ?? 0) >= block);

    for (const restarts of [false, true]) {
      const when = restarts ? ', over a restart' : '';

      it(`tells nothing when it becomes final: it is handed out as that${when}`, async () => {
        const { inbox, probe, number } = await waiting();
        await dev.newBlock({ count: lag + 1, empty: true });
        await isFinalUpTo(number + 1);
        if (!restarts) await probe.until(() => typesOf(probe).includes('finalized'));
        const after = restarts ? await goOn(inbox) : probe;
        if (!restarts) await probe.deliveries[0]?.ack();
        await after.until(() => after.texts.includes('waits') && typesOf(after).includes('finalized'));
        await after.deliveries.at(-1)?.ack();
        await after.until(() => after.deliveries.length === 2);
        await until(async () => (await new InboxStore(store).itemsFrom(0n, 1)).length === 0);
        const notices = after.events.filter(({ type }) => type !== 'message');
        const { messageId: known } = after.deliveries[0] ?? {};
        assert.deepEqual(notices, [{ type: 'finalized', messageId: known, proven: true }]);
        assert.equal(after.deliveries[1]?.finalized, true);
      });

      it(`tells nothing when a reorg takes its block away, and hands it out once when it is in another${when}`, async () => {
        const { inbox, probe, number, envelope } = await waiting();
        await dev.reorg(number);
        await dev.newBlock({ count: 2, empty: true });
        await until(async () => (await new InboxStore(store).early.taken(number + 1, number + 1)).length === 0);
        const after = restarts ? await goOn(inbox) : probe;
        if (!restarts) await probe.deliveries[0]?.ack();
        await poster.post(recipient, envelope);
        await after.until(() => after.texts.includes('waits'));
        assert.deepEqual(after.texts, ['in work', 'waits']);
        assert.deepEqual(typesOf(after), ['message', 'message']);
      });
    }

    it('hands out nothing of what a reorg took while it waited', async () => {
      const { probe, number } = await waiting();
      await dev.reorg(number);
      await dev.newBlock({ count: 2, empty: true });
      await until(async () => (await new InboxStore(store).early.taken(number + 1, number + 1)).length === 0);
      await probe.deliveries[0]?.ack();
      await poster.send(recipient, 'after');
      await probe.until(() => probe.texts.includes('after'));
      assert.deepEqual(typesOf(probe), ['message', 'message']);
    });
  });

  describe('of a message that a relay brings too, while its block is not final', () => {
    /** It is in a block, then a relay has it, or the same sealed anew; then a reorg takes the block away. */
    async function broughtTwice({
      options = {},
      isAnew = false,
      acknowledges = true,
    }: { options?: Partial<InboxOptions>; isAnew?: boolean; acknowledges?: boolean } = {}) {
      const worker = poster.asWorker;
      const inbox = await started(options);
      const probe = new InboxProbe(inbox, { acknowledges });
      await inbox.accept(await worker.sealed(recipient, 'before'));
      await probe.until(() => probe.deliveries.length === 1);
      const { number } = await chain.bestHead();
      const nonce = BigInt(Date.now()) << 20n;
      const envelope = await worker.sealed(recipient, 'both ways', nonce);
      await worker.post(recipient, envelope);
      const files = new InboxStore(store);
      await until(async () => (await files.early.taken(number + 1, number + 1)).length > 0);
      if (options.inFlight === undefined) await probe.until(() => probe.texts.includes('both ways'));
      const relayed = isAnew ? await worker.sealed(recipient, 'both ways, anew', nonce) : envelope;
      assert.equal(await inbox.accept(relayed), 'duplicate');
      await dev.reorg(number);
      await dev.newBlock({ count: 3, empty: true });
      await until(async () => (await files.early.taken(number + 1, number + 1)).length === 0);
      return { inbox, probe, envelope, worker };
    }

    async function isDoneWith(): Promise<void> {
      await dev.newBlock({ count: lag + 3, empty: true });
      const { number } = await chain.bestHead();
      await until(async () => ((await new InboxStore(store).cursor())?.number ?? 0) >= number - lag);
      await until(async () => (await leftIn(store, number - lag)).length === 0);
    }

    it('tells that it is final: it stays as what the relay brought', async () => {
      const { probe, envelope, worker } = await broughtTwice();
      await probe.until(() => typesOf(probe).includes('finalized'));
      const id = messageId({ genesisHash: chain.genesisHash, envelope });
      assert.deepEqual(probe.events[2], { type: 'finalized', messageId: id, proven: true });
      await worker.post(recipient, envelope);
      await isDoneWith();
      assert.deepEqual(typesOf(probe), ['message', 'message', 'finalized']);
    });

    it('hands it out after a restart where it was not done with, as the relay brought it', async () => {
      const { inbox, probe } = await broughtTwice({ acknowledges: false });
      await probe.until(() => typesOf(probe).includes('finalized'));
      await inbox.stop();
      const again = new InboxProbe(await started());
      await again.until(() => again.texts.includes('both ways'));
      const [, delivery] = again.deliveries;
      assert.deepEqual([delivery?.via, delivery?.finalized], ['relay', true]);
      await isDoneWith();
      assert.deepEqual(
        typesOf(again).filter((type) => type !== 'finalized'),
        ['message', 'message'],
      );
    });

    it('hands it out as final where it waited for room', async () => {
      const inFlight = { count: 2, bytes: 2 ** 20 };
      const { probe } = await broughtTwice({ options: { inFlight }, acknowledges: false });
      await probe.deliveries[0]?.ack();
      await probe.until(() => probe.texts.includes('both ways'));
      const [, delivery] = probe.deliveries;
      assert.deepEqual([delivery?.via, delivery?.finalized, delivery?.proven], ['relay', true, true]);
      await delivery?.ack();
      await isDoneWith();
      assert.deepEqual(typesOf(probe), ['message', 'message']);
    });

    it('takes it back and hands out what the relay brought where that was sealed anew', async () => {
      const { probe, envelope, worker } = await broughtTwice({ isAnew: true });
      await probe.until(() => probe.texts.includes('both ways, anew'));
      assert.deepEqual(typesOf(probe), ['message', 'message', 'retracted', 'message']);
      assert.equal(probe.deliveries[2]?.finalized, true);
      await worker.post(recipient, envelope);
      await isDoneWith();
      assert.deepEqual(probe.texts, ['before', 'both ways', 'both ways, anew']);
    });

    it('forgets what the relay brought once its block is final', async () => {
      const worker = poster.asWorker;
      const inbox = await started();
      const probe = new InboxProbe(inbox);
      const envelope = await worker.sealed(recipient, 'both ways');
      await worker.post(recipient, envelope);
      await probe.until(() => probe.texts.includes('both ways'));
      assert.equal(await inbox.accept(envelope), 'duplicate');
      await isDoneWith();
      assert.deepEqual(typesOf(probe), ['message', 'finalized']);
      assert.equal(await inbox.accept(envelope), 'duplicate');
      assert.deepEqual(await leftIn(store), []);
    });
  });

  it('frees the nonce of what is retracted: the same one is delivered when it is sealed again', async () => {
    const probe = new InboxProbe(await started());
    const { number } = await chain.bestHead();
    const nonce = BigInt(Date.now()) << 20n;
    await poster.post(recipient, await poster.sealed(recipient, 'before', nonce));
    await probe.until(() => probe.texts.includes('before'));
    await dev.reorg(number);
    await dev.newBlock({ count: 2, empty: true });
    await probe.until(() => typesOf(probe).includes('retracted'));
    await poster.post(recipient, await poster.sealed(recipient, 'again', nonce));
    await probe.until(() => probe.texts.includes('again'));
  });

  it('takes a dead letter back with its block, and files it once however often the block is walked', async () => {
    const first = await started();
    const probe = new InboxProbe(first);
    const { number } = await chain.bestHead();
    await poster.post(recipient, utf8('garbage'));
    await probe.until(() => typesOf(probe).includes('dead'));
    await first.stop();
    const again = new InboxProbe(await started());
    await poster.send(recipient, 'after');
    await again.until(() => again.texts.includes('after'));
    assert.equal((await deadLettersOf(store)).length, 1);
    await dev.reorg(number);
    await dev.newBlock({ count: 3, empty: true });
    await again.until(() => typesOf(again).includes('retracted'));
    assert.deepEqual(await deadLettersOf(store), []);
  });

  it('files a dead letter once where its block is finalized while the inbox is down', async () => {
    const first = await started();
    const probe = new InboxProbe(first);
    await poster.post(recipient, utf8('garbage'), utf8('garbage'));
    await probe.until(() => typesOf(probe).filter((type) => type === 'dead').length === 2);
    await first.stop();
    await dev.newBlock({ count: lag + 1, empty: true });
    const again = new InboxProbe(await started());
    await poster.send(recipient, 'after');
    await again.until(() => again.texts.includes('after'));
    assert.equal((await deadLettersOf(store)).length, 2);
    assert.deepEqual(typesOf(again), ['message']);
  });

  it('keeps what it handed out of blocks that are final and forgotten after a restart, and takes back the rest', async () => {
    const first = await started();
    const probe = new InboxProbe(first);
    await poster.send(recipient, 'stays');
    await probe.until(() => probe.texts.includes('stays'));
    const { number } = await chain.bestHead();
    await poster.send(recipient, 'goes');
    await probe.until(() => probe.texts.includes('goes'));
    await first.stop();
    await dev.reorg(number);
    await dev.newBlock({ count: lag + 3, empty: true });
    dev.pruneBefore(dev.finalized.number);
    // One that remembers nothing of those blocks.
    const later = await connectChain({ endpoints: [dev.ws] });
    open.push(later);
    const again = new InboxProbe(await started({ chain: later, onGap: 'skip' }));
    await again.until(() => typesOf(again).includes('gap'));
    assert.deepEqual(typesOf(again), ['retracted', 'finalized', 'gap']);
    assert.deepEqual(await new InboxStore(store).early.taken(0, 2 ** 31), []);
  });

  it('goes on over a gap where blocks are forgotten before it came to them', async () => {
    let isBehind = false;
    const at: Chain['messages']['at'] = async (head, options, signal) => {
      if (!isBehind) return chain.messages.at(head, options, signal);
      isBehind = false;
      await dev.newBlock({ count: 2 * lag, empty: true });
      dev.pruneBefore(dev.finalized.number);
      return chain.messages.at(head, options, signal);
    };
    const messages = { at, follow: chain.messages.follow.bind(chain.messages) };
    const slow = new Proxy(chain, {
      get: (target, name) => (name === 'messages' ? messages : bound(target, name)),
    });
    const probe = new InboxProbe(await started({ chain: slow, onGap: 'skip' }));
    isBehind = true;
    await dev.newBlock({ empty: true });
    await probe.until(() => typesOf(probe).includes('gap'));
    await poster.send(recipient, 'after');
    await probe.until(() => probe.texts.includes('after'));
  });

  it('goes on where a best block is one that no endpoint has, as right after a failover', async () => {
    const proxy = await startRpcProxy(dev.ws);
    open.push(proxy);
    const through = await connectChain({ endpoints: [proxy.ws] });
    open.push(through);
    const probe = new InboxProbe(await started({ chain: through }));
    await poster.send(recipient, 'before');
    await probe.until(() => probe.texts.includes('before'));
    const { number } = await chain.finalizedHead();
    let refused = 0;
    const unknown = new Refusal('Client error: UnknownBlock: State already discarded for the block', 4003);
    proxy.refuse = (method) => {
      const isRead = /^state_(getReadProof|getStorage)$/.test(method);
      return isRead && refused++ < 3 ? unknown : undefined;
    };
    await poster.send(recipient, 'while nobody had it');
    await probe.until(() => probe.texts.includes('while nobody had it'));
    assert.ok(refused >= 3);
    assert.deepEqual(probe.texts, ['before', 'while nobody had it']);
    assert.ok((await chain.finalizedHead()).number <= number + 1, 'it did not have to wait for finality');
  });

  it('goes on where no node was reached for long while a block was read', async () => {
    const proxy = await startRpcProxy(dev.ws);
    open.push(proxy);
    const through = await connectChain({
      ...{ endpoints: [proxy.ws], timeoutMs: 1_000 },
      backoff: { minMs: 20, maxMs: 100 },
    });
    open.push(through);
    const probe = new InboxProbe(await started({ chain: through }));
    let isReading = false;
    proxy.hold = (method) => {
      if (!/^state_(getReadProof|getStorage)$/.test(method)) return undefined;
      isReading = true;
      return new Promise(() => undefined);
    };
    await poster.send(recipient, 'while it was away');
    await until(() => isReading);
    proxy.hold = () => undefined;
    proxy.isClosed = true;
    proxy.cut();
    // As long as a read that begins now has patience, and then once more.
    for (let times = 0; times < 2; times++) await assert.rejects(through.bestHead(), { code: 'chain-unreachable' });
    proxy.isClosed = false;
    await probe.until(() => probe.texts.includes('while it was away'));
  });

  it('goes on where no node was reached for long while it caught up', async () => {
    let asked = 0;
    const away: number[] = [];
    const flaky = new Proxy(chain, {
      get: (target, name) =>
        name !== 'finalizedHead'
          ? bound(target, name)
          : async (signal?: AbortSignal) => {
              asked += 1;
              // The first one where to begin, then every other: so each who asks is refused once.
              if (asked > 1 && asked % 2 === 0) {
                away.push(asked);
                throw new RelayError('chain-unreachable', { details: { urls: chain.genesisHash, reason: 'away' } });
              }
              return target.finalizedHead(signal);
            },
    });
    const probe = new InboxProbe(await started({ chain: flaky }));
    await poster.send(recipient, 'after that');
    await probe.until(() => probe.texts.includes('after that'));
    assert.ok(away.length >= 2, `${away.length} times`);
  });

  it('may be followed by finalized: what was early is settled or taken back', async () => {
    const first = await started();
    const probe = new InboxProbe(first, { acknowledges: false });
    await poster.send(recipient, 'stays');
    await probe.until(() => probe.texts.includes('stays'));
    const { number } = await chain.bestHead();
    await poster.send(recipient, 'goes');
    await probe.until(() => probe.texts.includes('goes'));
    await first.stop();
    await dev.reorg(number);
    await dev.newBlock({ count: lag + 3, empty: true });
    const again = new InboxProbe(await started({ finality: 'finalized' }), { acknowledges: false });
    await again.until(() => typesOf(again).includes('finalized'));
    await until(async () => (await new InboxStore(store).early.taken(0, 2 ** 31)).length === 0);
    assert.ok(typesOf(again).includes('retracted'));
    const last = new InboxProbe(await reopened());
    await last.until(() => last.texts.includes('stays'));
    assert.ok(last.deliveries.every(({ finalized }) => finalized));
    assert.ok(!last.texts.includes('goes'));

    async function reopened(): Promise<Inbox> {
      for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
      return started({ finality: 'finalized' });
    }
  });
});

function bound(target: Chain, name: string | symbol): unknown {
  const value: unknown = Reflect.get(target, name, target);
  return typeof value === 'function' ? (value.bind(target) as unknown) : value;
}
