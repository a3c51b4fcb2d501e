import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { sealMessage } from '../../src/channel/index.ts';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { contractTopic, encodeCommandPayload, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, createPhalaListener, type Inbox, type InboxOptions } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { withCode } from '../chain/support.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { InboxProbe } from '../support/inbox-probe.ts';
import { Refusal, startRpcProxy, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { Poster } from './support.ts';

const noBatches = { code: -32005, message: 'Batch requests are not supported by this server' };
const tooLarge = { code: -32011, message: 'The batch response was too large' };

/** A node that answers every batch of more than `most` calls with one error, as those do that are told to. */
async function withoutBatches(upstream: string, error = noBatches, most = 0) {
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
  const node = {
    url: '',
    refused: 0,
    /** Calls of each batch that it took; 1: of one that came alone. */
    taken: new Array<number>(),
    [Symbol.asyncDispose]: async () => {
      for (const client of server.clients) client.terminate();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  server.on('connection', (client) => {
    const behind = new WebSocket(upstream, { maxPayload: 2 ** 28 });
    const opened = once(behind, 'open');
    behind.on('message', (data: Buffer) => {
      client.send(data.toString());
    });
    client.on('close', () => {
      behind.close();
    });
    client.on('message', (data: Buffer) => {
      const text = data.toString();
      const asked = JSON.parse(text) as { readonly method: string } | readonly { readonly method: string }[];
      const calls = Array.isArray(asked) ? (asked as readonly { readonly method: string }[]).length : 1;
      if (Array.isArray(asked) && calls > most) {
        node.refused += 1;
        client.send(JSON.stringify({ jsonrpc: '2.0', id: null, error }));
        return;
      }
      if (/state_get(ReadProof|Storage)"/.test(text)) node.taken.push(calls);
      void opened.then(() => behind.send(text));
    });
  });
  await once(server, 'listening');
  node.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return node;
}

const outboundKey = storagePrefix('PhalaMq', 'OutboundMessages');
/** Calls. */
const mostInFrame = 64;
const asIs: Alter = (_method, _params, result) => result;

describe('inbox: reading the chain', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let poster: Poster;
  let one: Vault;
  let two: Vault;
  let first: number;
  /** Numbers of the blocks with messages. */
  const posted: number[] = [];
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    direct = await connectChain({ endpoints: [dev.ws] });
    const vaults = (await registered(direct, folder.path, ['s', 'a', 'b'])) as [Vault, Vault, Vault];
    [, one, two] = vaults;
    poster = await Poster.of(direct, ...vaults);
    first = (await direct.bestHead()).number + 1;
    for (const text of ['1', '2', '3']) {
      posted.push((await poster.send(one, `one ${text}`)).blockNumber);
      posted.push((await poster.send(two, `two ${text}`)).blockNumber);
      await dev.newBlock({ count: 30 });
    }
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await direct.stop();
    await dev.stop();
    await folder.remove();
  });

  async function through(alter: Alter, ...others: readonly string[]): Promise<{ chain: Chain; proxy: RpcProxy }> {
    const proxy = await startRpcProxy(dev.ws, alter);
    open.push(proxy);
    const chain = await connectChain({ endpoints: [proxy.ws, ...others], quorum: 1 });
    open.push(chain);
    return { chain, proxy };
  }

  async function started(chain: Chain, vault: Vault, options: Partial<InboxOptions> = {}): Promise<Inbox> {
    const inbox = createInbox({ chain, vault, store: openMemoryStore(), from: first, ...options });
    open.push(inbox);
    await inbox.start();
    return inbox;
  }

  const texts = (name: string): string[] => ['1', '2', '3'].map((n) => `${name} ${n}`);

  it('takes the least requests with proofs: one a block, hashes in bulk', async () => {
    const made = await requestsOf({ verify: true });
    const blocks = (await direct.finalizedHead()).number - first + 1;
    assert.equal(made('state_getReadProof'), blocks);
    assert.equal(made('state_getStorage') + made('state_queryStorage'), 0);
    assert.ok(made('chain_getBlockHash') <= 4, `${made('chain_getBlockHash')} requests for hashes`);
    assert.ok(made('chain_getHeader') <= blocks + 6);
  });

  it('has more than a frame of proofs under way before the first is answered', async () => {
    const { chain, proxy } = await through(asIs);
    let asked = 0;
    let letThrough = (): void => undefined;
    const isEnough = new Promise<void>((resolve) => (letThrough = resolve));
    proxy.hold = (method, [keys]) => {
      if (method !== 'state_getReadProof' || !(keys as Hex[]).includes(outboundKey)) return undefined;
      if (++asked > mostInFrame) letThrough();
      return isEnough;
    };
    const probe = new InboxProbe(await started(chain, one));
    await probe.until(() => probe.deliveries.length === 3);
    assert.deepEqual(probe.texts, texts('one'));
  });

  it('takes one request for many blocks where they are believed', async () => {
    const made = await requestsOf({ verify: false });
    assert.ok(made('state_queryStorage') <= 3, `${made('state_queryStorage')} requests for ranges`);
    assert.ok(made('state_getStorage') <= 2, 'of what is a block alone');
    assert.equal(made('state_getReadProof'), 0);
    assert.ok(made('chain_getBlockHash') <= 4, `${made('chain_getBlockHash')} requests for hashes`);
    assert.ok(made('chain_getHeader') <= 6);
  });

  it('takes one request a block where a node hides its unsafe RPCs, as public ones do, and asks it once', async () => {
    const made = await requestsOf({ verify: false }, (method, _params, result) =>
      method === 'state_queryStorage' ? new Refusal('RPC call is unsafe to be called externally') : result,
    );
    assert.equal(made('state_getStorage'), (await direct.finalizedHead()).number - first + 1);
    assert.ok(made('state_queryStorage') <= 4, 'as many as are under way when the first is refused');
  });

  /** Reads all with an inbox; gives how often a method was asked. */
  async function requestsOf(options: Partial<InboxOptions>, alter = asIs): Promise<(method: string) => number> {
    const { chain, proxy } = await through(alter);
    const before = new Map(proxy.asked);
    const probe = new InboxProbe(await started(chain, one, options));
    await probe.until(() => probe.deliveries.length === 3);
    assert.deepEqual(probe.texts, texts('one'));
    return (method) => (proxy.asked.get(method) ?? 0) - (before.get(method) ?? 0);
  }

  it('is shared by the entities of a process: two inboxes cost what one costs, now and for blocks to come', async () => {
    const { chain, proxy } = await through(asIs);
    const probes = [new InboxProbe(await started(chain, one)), new InboxProbe(await started(chain, two))] as const;
    for (const probe of probes) await probe.until(() => probe.deliveries.length === 3);
    assert.deepEqual(
      probes.map((probe) => probe.texts),
      [texts('one'), texts('two')],
    );
    const blocks = (await chain.finalizedHead()).number - first + 1;
    assert.equal(proxy.asked.get('state_getReadProof'), blocks);
    const headers = proxy.asked.get('chain_getHeader') ?? 0;
    await poster.send(one, 'one 4');
    await poster.send(two, 'two 4');
    for (const probe of probes) await probe.until(() => probe.deliveries.length === 4);
    assert.equal(proxy.asked.get('state_getReadProof'), blocks + 2);
    assert.equal(proxy.asked.get('chain_getHeader'), headers, 'blocks that were told of need no header');
  });

  for (const verify of [true, false])
    it(`of best blocks is shared by the entities of a process ${verify ? 'with' : 'without'} proofs`, async () => {
      const lagging = await startDevChain({ finalityLag: 3 });
      open.push(lagging);
      const proxy = await startRpcProxy(lagging.ws);
      open.push(proxy);
      const chain = await connectChain({ endpoints: [proxy.ws] });
      open.push(chain);
      const vaults = (await registered(
        chain,
        folder.path,
        ['s', 'a', 'b'].map((name) => `${name} ${verify}`),
      )) as [Vault, Vault, Vault];
      const [, near, far] = vaults;
      const post = await Poster.of(chain, ...vaults);
      const reads = () => proxy.asked.get(verify ? 'state_getReadProof' : 'state_getStorage') ?? 0;
      const before = reads();
      const { number } = await chain.finalizedHead();
      const probes: InboxProbe[] = [];
      for (const vault of [near, far]) {
        const inbox = createInbox({ chain, vault, store: openMemoryStore(), finality: 'best', verify });
        open.push(inbox);
        await inbox.start();
        probes.push(new InboxProbe(inbox));
      }
      for (const vault of [near, far, near, far]) await post.send(vault, 'shared');
      await lagging.newBlock({ count: 4 });
      for (const vault of [near, far]) await post.send(vault, 'last');
      for (const probe of probes) await probe.until(() => probe.texts.includes('last'));
      assert.equal(reads() - before, (await chain.bestHead()).number - number);
    });

  it('is shared by inboxes that begin at different blocks, from where they are at the same place', async () => {
    const { chain, proxy } = await through(asIs);
    const later = posted[3] ?? first;
    const probes = [
      new InboxProbe(await started(chain, one)),
      new InboxProbe(await started(chain, two, { from: later })),
    ] as const;
    await probes[0].until(() => probes[0].texts.includes('one 3'));
    await probes[1].until(() => probes[1].texts.includes('two 3'));
    const { number } = await chain.finalizedHead();
    const read = proxy.asked.get('state_getReadProof') ?? 0;
    const apart = number - first + 1 + (number - later + 1);
    assert.ok(read < apart, `${read} proofs, where two connections would ask for ${apart}`);
    await poster.send(one, 'one together');
    await poster.send(two, 'two together');
    await probes[0].until(() => probes[0].texts.includes('one together'));
    await probes[1].until(() => probes[1].texts.includes('two together'));
    assert.equal(proxy.asked.get('state_getReadProof'), read + 2);
  });

  it('is shared with a listener to topics of contracts in the same process', async () => {
    const { chain, proxy } = await through(asIs);
    const contract = contractTopic(`0x${'c0'.repeat(32)}`);
    const listener = createPhalaListener({
      chain,
      vault: two,
      store: openMemoryStore(),
      topics: [contract],
      from: first,
    });
    open.push(listener);
    const heard: string[] = [];
    listener.events$.subscribe((event) => {
      if (event.type === 'message') heard.push(new TextDecoder().decode(event.delivery.content));
    });
    const probe = new InboxProbe(await started(chain, one));
    await listener.start();
    await listener.ready;
    await probe.until(() => probe.deliveries.length >= 3);
    const blocks = (await chain.finalizedHead()).number - first + 1;
    assert.equal(proxy.asked.get('state_getReadProof'), blocks);
    const payload = encodeCommandPayload({ kind: 'plain', content: utf8('a command') });
    await direct.submit([{ kind: 'push-message', destination: contract, payload }], alice);
    await poster.send(one, 'beside a command');
    await until(() => heard.length === 1);
    await probe.until(() => probe.texts.includes('beside a command'));
    assert.deepEqual(heard, ['a command']);
    assert.equal(proxy.asked.get('state_getReadProof'), blocks + 2);
  });

  it('works where the node takes no batches', async () => {
    await using node = await withoutBatches(dev.ws);
    const chain = await connectChain({ endpoints: [node.url] });
    open.push(chain);
    for (const verify of [true, false]) {
      const probe = new InboxProbe(await started(chain, one, { verify }));
      await probe.until(() => probe.deliveries.length >= 3);
      assert.deepEqual(probe.texts.slice(0, 3), texts('one'));
    }
    assert.ok(node.refused > 0, 'it was asked');
  });

  it('reads a few blocks at a time where the proofs of more are too large together', async () => {
    const { number: from } = await direct.bestHead();
    await dev.newBlock({ count: 100 });
    await poster.send(one, 'behind many');
    await using node = await withoutBatches(dev.ws, tooLarge, 4);
    const chain = await connectChain({ endpoints: [node.url] });
    open.push(chain);
    const probe = new InboxProbe(await started(chain, one, { verify: true, from: from + 1 }));
    await probe.until(() => probe.texts.includes('behind many'));
    assert.ok(node.refused > 0, 'it was asked for more');
    // What they have is never in memory at once, as it would be if each of many were asked for alone.
    assert.ok(node.taken.length >= 25);
    assert.ok(node.taken.filter((calls) => calls === 1).length < 3, node.taken.join());
  });

  it('takes a block that is full of messages, beside what is around it, in order', async () => {
    const { chain } = await through(asIs);
    const content = 'm'.repeat(16_000);
    const sent = Array.from({ length: 180 }, (_, n) => `${n} ${content}`);
    const { number: from } = await direct.bestHead();
    await poster.send(two, 'before');
    await poster.send(two, ...sent);
    await poster.send(two, 'after');
    const probe = new InboxProbe(await started(chain, two, { from: from + 1 }));
    await probe.until(() => probe.deliveries.length === sent.length + 2);
    assert.deepEqual(probe.texts, ['before', ...sent, 'after']);
  });

  describe('of blocks whose state is gone', () => {
    /** As a pruning node, for blocks up to a number. */
    function forgets(last: number): Alter {
      const hashes = new Map<unknown, number>();
      return (method, params, result) => {
        if (method === 'chain_getBlockHash' && Array.isArray(params[0]))
          (result as Hex[]).forEach((hash, i) => hashes.set(hash, (params[0] as number[])[i] ?? 0));
        const isRead = /^state_(getReadProof|getStorage|queryStorage)$/.test(method);
        const number = isRead ? hashes.get(params[1]) : undefined;
        return number !== undefined && number <= last
          ? new Refusal('Client error: UnknownBlock: State already discarded for the block', 4003)
          : result;
      };
    }

    it('asks an endpoint that has it', async () => {
      const { chain } = await through(forgets(posted[2] ?? 0), dev.ws);
      const probe = new InboxProbe(await started(chain, one));
      await probe.until(() => probe.deliveries.length >= 3);
      assert.deepEqual(probe.texts.slice(0, 3), texts('one'));
      assert.ok(probe.deliveries.every(({ proven }) => proven));
    });

    for (const verify of [true, false])
      it(`stops where none has it, naming the first and the last missing ${verify ? 'with' : 'without'} proofs`, async () => {
        const last = posted[2] ?? 0;
        const { chain } = await through(forgets(last));
        const probe = new InboxProbe(await started(chain, one, { verify }));
        await assert.rejects(
          probe.until(() => probe.deliveries.length > 0),
          withCode('blocks-missing', `blocks ${first} to ${last}`),
        );
      });

    it('goes on where it may, and tells what is missing in its place among the deliveries', async () => {
      const last = posted[2] ?? 0;
      const { chain } = await through(forgets(last));
      const store = openMemoryStore();
      const inbox = await started(chain, one, { onGap: 'skip', store });
      await inbox.ready;
      const probe = new InboxProbe(inbox);
      await probe.until(() => probe.deliveries.some(({ body }) => body.kind === 'data' && body.content.length > 0));
      assert.deepEqual(probe.events[0], { type: 'gap', first, last });
      assert.ok(!probe.texts.includes('one 1'));
      await until(async () => ((await new InboxStore(store).cursor())?.number ?? 0) > last);
    });
  });

  it('hands deliveries to a handler, one after another for a sender, and acknowledges when it returns', async () => {
    const store = openMemoryStore();
    const inbox = await started(direct, one, { store });
    const seen: string[] = [];
    let busy = 0;
    const stop = new AbortController();
    await inbox.handle(
      async ({ body }) => {
        assert.equal(++busy, 1);
        await new Promise((resolve) => setImmediate(resolve));
        seen.push(body.kind === 'data' ? new TextDecoder().decode(body.content) : body.kind);
        busy -= 1;
        if (seen.length === 3) stop.abort();
      },
      { concurrency: 4, signal: stop.signal },
    );
    assert.deepEqual(seen, texts('one'));
    await inbox.stop();
    const again = new InboxProbe(await started(direct, one, { store }));
    await poster.send(one, 'one, later');
    await again.until(() => again.texts.includes('one, later'));
    assert.ok(!again.texts.includes('one 1'), again.texts.join());
  });

  it('has the messages of different senders handled side by side, as many as it may', async () => {
    const inbox = await started(direct, one, { from: 'head' });
    await inbox.ready;
    const handled: string[] = [];
    let free = (): void => undefined;
    const isFree = new Promise<void>((resolve) => (free = resolve));
    const stop = new AbortController();
    const handling = inbox.handle(
      async ({ fromKind }) => {
        if (fromKind === 'account') await isFree;
        else free();
        handled.push(fromKind);
        if (handled.length === 2) stop.abort();
      },
      { concurrency: 2, signal: stop.signal },
    );
    await poster.send(one, 'waits for the other');
    const directory = await directoryOf(one);
    const sending = { vault: two, genesisHash: direct.genesisHash, store: openMemoryStore(), directory };
    const body = { kind: 'data', content: utf8('other') } as const;
    await inbox.accept((await sealMessage(sending, { to: one.identity, body })).envelope);
    await handling;
    assert.deepEqual(handled, ['worker', 'account']);
  });

  it('has nobody wait for a slow handler behind a dead letter of a stranger, which is told at once', async () => {
    const inbox = await started(direct, one, { from: 'head' });
    await inbox.ready;
    const log: string[] = [];
    let goOn = (): void => undefined;
    const isSlow = new Promise<void>((resolve) => (goOn = resolve));
    const stop = new AbortController();
    const handling = inbox.handle(
      async ({ fromKind }) => {
        log.push(fromKind);
        if (fromKind === 'account') await isSlow;
      },
      { concurrency: 2, onEvent: ({ type }) => log.push(type), signal: stop.signal },
    );
    await poster.send(one, 'slow');
    await until(() => log.length === 1);
    await inbox.accept(utf8('of nobody'), { skipClockCheck: true, keepDead: true });
    const directory = await directoryOf(one);
    const sending = { vault: two, genesisHash: direct.genesisHash, store: openMemoryStore(), directory };
    const body = { kind: 'data', content: utf8('other') } as const;
    await inbox.accept((await sealMessage(sending, { to: one.identity, body })).envelope);
    await until(() => log.length === 3);
    assert.deepEqual(log, ['account', 'dead', 'worker']);
    goOn();
    stop.abort();
    await handling;
  });

  it('gives a message again whose handler failed, and those after it', async () => {
    const store = openMemoryStore();
    const inbox = await started(direct, one, { store });
    const handled: string[] = [];
    const failing = inbox.handle(({ body }) => {
      const text = body.kind === 'data' ? new TextDecoder().decode(body.content) : '';
      if (text === 'one 2') throw new Error('not today');
      handled.push(text);
    });
    await assert.rejects(failing, withCode('handler-failed'));
    assert.deepEqual(handled, ['one 1']);
    const probe = new InboxProbe(inbox);
    await probe.until(() => probe.texts.includes('one 3'));
    assert.equal(probe.texts[0] === 'one 1' ? probe.texts[1] : probe.texts[0], 'one 2');
  });

  it('ends a handler at once where there is nothing to handle: the inbox has ended, or another has its deliveries', async () => {
    const inbox = await started(direct, one);
    const probe = new InboxProbe(inbox);
    await assert.rejects(
      inbox.handle(() => undefined),
      withCode('inbox-subscribed'),
    );
    probe.stop();
    await inbox.stop();
    await inbox.handle(() => undefined);
    const aborted = { signal: AbortSignal.abort() };
    await (await started(direct, one)).handle(() => undefined, aborted);
  });
});
