import assert from 'node:assert/strict';
import { connectChain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { RelayError, type ErrorCode } from '../../src/errors/index.ts';
import {
  createOutbox,
  createRelayOutbox,
  openOutboxQueue,
  watchDeliveries,
  type CarriedMessage,
  type DeliveriesWatcher,
  type OffChainCarrier,
  type Receipt,
  type RelayOutbox,
  type RelayOutboxOptions,
} from '../../src/outbox/index.ts';
import { decodeDelivery, encodeDelivery } from '../../src/outbox/delivery-state.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { rangeOf } from '../../src/store/keys.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { directoryOf, utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
const hour = 3_600_000;
const atOnce = 256;
const turnMs = 15_000;
const body = { kind: 'data', content: utf8('hello') } as const;

interface Waiting {
  readonly message: CarriedMessage;
  readonly delivered: () => void;
}

/** Takes all, and is asked which of it was delivered. */
class TestCarrier implements OffChainCarrier {
  reaches = true;
  status: CarriedMessage['status'] = 'stored';
  failure: RelayError | undefined;
  /** By message id. */
  readonly waits = new Map<Hex, Waiting>();
  /** Ids that were asked about, each time. */
  readonly asked: Hex[] = [];

  canReach(): boolean {
    return this.reaches;
  }

  carry(): ReturnType<OffChainCarrier['carry']> {
    return Promise.resolve({ endpoint: 'http://relay.example', status: this.status });
  }

  async awaitDelivered(message: CarriedMessage, signal: AbortSignal): Promise<void> {
    const { messageId } = message;
    this.asked.push(messageId);
    if (this.failure !== undefined) throw this.failure;
    let waiting: Waiting | undefined;
    try {
      await new Promise<void>((resolve, reject) => {
        signal.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
        this.waits.set(messageId, (waiting = { message, delivered: resolve }));
      });
    } finally {
      if (this.waits.get(messageId) === waiting) this.waits.delete(messageId);
    }
  }

  delivered(messageId: Hex): void {
    this.waits.get(messageId)?.delivered();
  }
}

describe('outbox: waiting for the word that a message was delivered', () => {
  const [vault, recipient] = [createMemoryVault(), createMemoryVault()];
  const to = recipient.identity;
  const open: RelayOutbox[] = [];
  let store: TransactionalStore;
  let carrier: TestCarrier;
  let clock: number;
  let setbacks: ErrorCode[];

  beforeEach(() => {
    store = openMemoryStore();
    carrier = new TestCarrier();
    clock = Date.now();
    setbacks = [];
  });
  afterEach(async () => {
    for (const box of open.splice(0)) await box.stop();
  });

  async function outbox(options: Partial<RelayOutboxOptions> = {}): Promise<RelayOutbox> {
    const directory = await directoryOf(recipient);
    const onSetback = ({ code }: RelayError): void => void setbacks.push(code);
    const box = createRelayOutbox({
      ...{ genesisHash, vault, store, directory, carrier, now: () => clock, onSetback },
      ...options,
    });
    open.push(box);
    await box.start();
    return box;
  }

  const sent = async (box: RelayOutbox): Promise<Receipt & { readonly messageId: Hex }> => {
    const receipt = await box.send({ to, body, deliveryReceipt: true });
    return { ...receipt, messageId: (await receipt.reached('finalized')).messageId };
  };
  const kept = async (): Promise<number> => (await store.entries(rangeOf('outbox/delivery/'))).length;
  const later = (ms: number, box: RelayOutbox): void => {
    clock += ms;
    box.tryAgain();
  };
  const deliveredAt = async (): Promise<(number | undefined)[]> => {
    const times: (number | undefined)[] = [];
    for await (const { delivered } of openOutboxQueue(store).entries()) times.push(delivered?.deliveredAt);
    return times;
  };

  it('asks for the message that went, where it went, and keeps when it was delivered', async () => {
    const box = await outbox();
    const sentAt = BigInt(clock);
    const receipt = await sent(box);
    await until(() => carrier.waits.size === 1);
    const { messageId } = receipt;
    const message = carrier.waits.get(messageId)?.message;
    const { endpoint, status } = message ?? {};
    assert.deepEqual(
      { endpoint, status, to: message?.to, sentAt: message?.sentAt },
      { endpoint: 'http://relay.example', status: 'stored', to, sentAt },
    );
    const waiting = receipt.delivered();
    assert.deepEqual(await deliveredAt(), [undefined]);
    clock += 7;
    carrier.delivered(messageId);
    assert.deepEqual(await waiting, { deliveredAt: clock });
    const then = clock;
    clock += 30 * hour;
    assert.deepEqual(await receipt.delivered(), { deliveredAt: then });
    assert.deepEqual(await deliveredAt(), [then]);
  });

  it('goes on in the next process, and is not asked again by the one after it', async () => {
    const first = await outbox();
    const { sendId, messageId } = await sent(first);
    await until(() => carrier.waits.size === 1);
    const waiting = (await first.receipt(sendId))?.delivered();
    await first.stop();
    await rejected(waiting ?? Promise.resolve(), 'aborted');
    assert.equal(carrier.waits.size, 0);

    const second = await outbox();
    await until(() => carrier.waits.size === 1);
    const told = (await second.receipt(sendId))?.delivered();
    carrier.delivered(messageId);
    assert.deepEqual(await told, { deliveredAt: clock });
    await second.stop();

    const third = await outbox();
    assert.deepEqual(await (await third.receipt(sendId))?.delivered(), { deliveredAt: clock });
    // What is sent now is asked about, and nothing before it.
    const last = await sent(third);
    await until(() => carrier.waits.size === 1);
    assert.deepEqual(carrier.asked, [messageId, messageId, last.messageId]);
  });

  it('is told at once where the recipient itself took it, and nobody is asked', async () => {
    carrier.status = 'delivered';
    const box = await outbox();
    const receipt = await sent(box);
    assert.deepEqual(await receipt.delivered(), { deliveredAt: clock });
    carrier.status = 'stored';
    const { messageId } = await sent(box);
    await until(() => carrier.waits.size === 1);
    assert.deepEqual(carrier.asked, [messageId]);
  });

  it('ends with a delivery-timeout 25 h after the message went, in this process and in the next', async () => {
    const box = await outbox();
    const receipt = await sent(box);
    await until(() => carrier.waits.size === 1);
    const waiting = receipt.delivered();
    later(25 * hour - 1, box);
    assert.equal(await Promise.race([waiting, new Promise((resolve) => setTimeout(resolve, 50, 'waits'))]), 'waits');
    assert.equal(carrier.waits.size, 1);
    later(1, box);
    await rejected(waiting, 'delivery-timeout');
    await until(() => carrier.waits.size === 0);
    await box.stop();
    const next = await outbox();
    await rejected((await next.receipt(receipt.sendId))?.delivered() ?? Promise.resolve(), 'delivery-timeout');
    const { messageId } = await sent(next);
    await until(() => carrier.waits.size === 1);
    assert.deepEqual(carrier.asked, [receipt.messageId, messageId]);
  });

  it('ends at once where the carrier can not ask', async () => {
    const canReach = (): boolean => true;
    const box = await outbox({ carrier: { canReach, carry: carrier.carry.bind(carrier) } });
    const receipt = await sent(box);
    await rejected(receipt.delivered(), 'delivery-untold');
  });

  for (const code of ['delivery-untold', 'unknown-message'] as const)
    it(`ends where the relay says ${code}, in this process and in the next`, async () => {
      const box = await outbox();
      carrier.failure = new RelayError(code, { details: { reason: 'test', messageId: '0x', to } });
      const receipt = await sent(box);
      await rejected(receipt.delivered(), 'delivery-untold');
      assert.deepEqual(setbacks, [code]);
      assert.deepEqual(await deliveredAt(), [undefined]);
      await box.stop();
      carrier.failure = undefined;
      const next = await outbox();
      await rejected((await next.receipt(receipt.sendId))?.delivered() ?? Promise.resolve(), 'delivery-untold');
    });

  it('begins again after a failure that passes, and after its store had one', async () => {
    let isFull = false;
    const failing: TransactionalStore = {
      get: (key) => store.get(key),
      entries: (range) => store.entries(range),
      commit: (...change) => {
        if (isFull) throw new RelayError('store-failed', { details: { reason: 'test' } });
        return store.commit(...change);
      },
      close: () => store.close(),
      [Symbol.asyncDispose]: () => store.close(),
    };
    const box = await outbox({ store: failing });
    carrier.failure = new RelayError('agent-gone', { details: { path: '', reason: 'it restarts' } });
    const receipt = await sent(box);
    await until(() => setbacks.length === 1);
    carrier.failure = undefined;
    later(0, box);
    await until(() => carrier.waits.size === 1);
    isFull = true;
    carrier.delivered(receipt.messageId);
    await until(() => setbacks.length === 2);
    assert.deepEqual(await deliveredAt(), [undefined]);
    isFull = false;
    later(0, box);
    await until(() => carrier.waits.size === 1);
    const waiting = receipt.delivered();
    carrier.delivered(receipt.messageId);
    assert.deepEqual(await waiting, { deliveredAt: clock });
    assert.deepEqual(setbacks, ['agent-gone', 'store-failed']);
  });

  it('is kept, and told, by an outbox whose queue another has taken over, and by one of them alone', async () => {
    const first = await outbox();
    const { sendId, messageId } = await sent(first);
    await until(() => carrier.waits.size === 1);
    const [ofFirst] = carrier.waits.values();
    carrier.waits.clear();
    const second = await outbox();
    await until(() => carrier.waits.size === 1);
    const told = await first.receipt(sendId);
    const waiting = told?.delivered();
    ofFirst?.delivered();
    assert.deepEqual(await waiting, { deliveredAt: clock });
    const firstTime = clock;
    clock += 1;
    carrier.delivered(messageId);
    // What comes later is written later.
    const last = await sent(second);
    await until(() => carrier.waits.has(last.messageId));
    carrier.delivered(last.messageId);
    assert.deepEqual(await last.delivered(), { deliveredAt: clock });
    assert.deepEqual(await (await second.receipt(sendId))?.delivered(), { deliveredAt: firstTime });
    assert.deepEqual(await deliveredAt(), [firstTime, clock]);
  });

  it('is kept where one relay tells though another process heard that none does', async () => {
    const first = await outbox();
    const { sendId, messageId } = await sent(first);
    await until(() => carrier.waits.size === 1);
    const [ofFirst] = carrier.waits.values();
    carrier.waits.clear();
    carrier.failure = new RelayError('delivery-untold', { details: { reason: 'test', messageId, to } });
    const second = await outbox();
    await rejected((await second.receipt(sendId))?.delivered() ?? Promise.resolve(), 'delivery-untold');
    assert.deepEqual(await deliveredAt(), [undefined]);
    ofFirst?.delivered();
    await until(async () => (await deliveredAt())[0] === clock);
    assert.deepEqual(await (await second.receipt(sendId))?.delivered(), { deliveredAt: clock });
  });

  it('is kept where its entry was written anew while it was awaited, and is asked for once', async () => {
    const box = await outbox();
    const receipt = await sent(box);
    await until(() => carrier.waits.size === 1);
    const [[key, value] = assert.fail('it is awaited')] = await store.entries(rangeOf('outbox/delivery/'));
    const { at } = decodeDelivery(value);
    await store.commit([{ key, value: encodeDelivery({ state: 'awaited', at: at + 1n }) }]);
    carrier.delivered(receipt.messageId);
    assert.deepEqual(await receipt.delivered(), { deliveredAt: clock });
    assert.deepEqual(carrier.asked, [receipt.messageId]);
  });

  describe('by who only watches the queue', () => {
    const watchers: DeliveriesWatcher[] = [];
    const watcher = (): DeliveriesWatcher => {
      const onSetback = ({ code }: RelayError): void => void setbacks.push(code);
      const made = watchDeliveries({ store, carrier, now: () => clock, onSetback });
      watchers.push(made);
      return made;
    };
    afterEach(async () => {
      for (const one of watchers.splice(0)) await one[Symbol.asyncDispose]();
    });

    it('is kept while nobody works on it, and asked for once however often that looks', async () => {
      const box = await outbox();
      const first = await sent(box);
      await until(() => carrier.waits.size === 1);
      await box.stop();
      const watching = watcher();
      await watching.look();
      await until(() => carrier.waits.has(first.messageId));
      await watching.look();
      carrier.delivered(first.messageId);
      await until(async () => (await deliveredAt())[0] === clock);
      await watching.look();

      // What is sent later is asked for with the next look.
      const next = await outbox();
      const second = await sent(next);
      await next.stop();
      await watching.look();
      await until(() => carrier.waits.has(second.messageId));
      const ofWatcher = carrier.asked.filter((id) => id === first.messageId);
      assert.equal(ofWatcher.length, 2);
      await watching[Symbol.asyncDispose]();
      assert.equal(carrier.waits.size, 0);
      assert.deepEqual(setbacks, []);
    });

    it('is not asked for again where that is in vain, with whatever is sent later', async () => {
      const box = await outbox();
      await sent(box);
      await until(() => carrier.waits.size === 1);
      await box.stop();
      carrier.failure = new RelayError('endpoint-refused', { details: { reason: 'test' } });
      const watching = watcher();
      await watching.look();
      await until(() => setbacks.length === 1);
      carrier.failure = undefined;
      const next = await outbox();
      const last = await sent(next);
      await next.stop();
      carrier.asked.length = 0;
      // Its turn comes after that of what went before.
      await watching.look();
      await until(() => carrier.asked.includes(last.messageId));
      assert.deepEqual(carrier.asked, [last.messageId]);
    });

    it('is heard by receipts of the outbox beside it', async () => {
      const box = await outbox();
      const receipt = await sent(box);
      await until(() => carrier.waits.size === 1);
      const [ofOutbox] = carrier.waits.values();
      await watcher().look();
      await until(() => carrier.asked.length === 2 && carrier.waits.get(receipt.messageId) !== ofOutbox);
      const then = clock;
      carrier.delivered(receipt.messageId);
      assert.deepEqual(await receipt.delivered(), { deliveredAt: then });
      clock += 1;
      ofOutbox?.delivered();
      assert.deepEqual(await receipt.delivered(), { deliveredAt: then });
    });

    it('is heard by who already waits for it at an outbox that comes second, though no block comes', async () => {
      await using dev = await startDevChain();
      await using chain = await connectChain({ endpoints: [dev.ws] });
      const directory = await directoryOf(recipient);
      await using box = createOutbox({ chain, vault, store, directory, carrier, now: () => clock });
      await box.start();
      const { messageId, delivered } = await sent(box);
      await until(() => carrier.waits.size === 1);
      const [ofOutbox] = carrier.waits.values();
      const heard = delivered();
      await watcher().look();
      await until(() => carrier.asked.length === 2 && carrier.waits.get(messageId) !== ofOutbox);
      carrier.delivered(messageId);
      await until(async () => (await deliveredAt())[0] === clock);
      ofOutbox?.delivered();
      assert.deepEqual(await heard, { deliveredAt: clock });
    });
  });

  it('takes turns where more messages are waited for than at a time, and takes the next as soon as one is delivered', async () => {
    const box = await outbox();
    const most = atOnce + 40;
    const ids: Hex[] = [];
    for (let n = 0; n < most; n++) ids.push((await sent(box)).messageId);
    await until(() => carrier.waits.size === atOnce);
    assert.equal(carrier.asked.length, atOnce);
    for (const id of ids.slice(0, 10)) carrier.delivered(id);
    await until(() => carrier.asked.length === atOnce + 10);
    assert.equal(carrier.waits.size, atOnce);
    later(turnMs, box);
    await until(() => new Set(carrier.asked).size === most && carrier.waits.size === atOnce);
  });

  it('ends where the message is forgotten, and nothing is kept of it', async () => {
    const box = await outbox({ keepDone: 0 });
    const first = await sent(box);
    await until(() => carrier.waits.has(first.messageId));
    const waiting = first.delivered();
    while ((await box.receipt(first.sendId)) !== undefined) await sent(box);
    box.tryAgain();
    await rejected(waiting, 'no-such-message');
    await until(() => !carrier.waits.has(first.messageId));
    assert.equal(await kept(), (await deliveredAt()).length);
  });

  it('is not waited for where it was not asked for, of what is cancelled, and of what goes on chain alone', async () => {
    const box = await outbox();
    const plain = await box.send({ to, body });
    await plain.reached('finalized');
    await rejected(plain.delivered(), 'no-delivery-receipt');
    assert.equal(await kept(), 0);
    const account = { deliveryReceipt: true, as: 'account' } as const;
    await rejected(box.send({ to, body, ...account }), 'bad-value');
    await rejected(box.send({ to, body, deliveryReceipt: true, via: 'chain' }), 'bad-value');
    carrier.reaches = false;
    const away = await outbox();
    const receipt = await away.send({ to, body, deliveryReceipt: true });
    const waiting = receipt.delivered();
    await away.cancel(receipt.sendId);
    await rejected(waiting, 'send-cancelled');
    const patience = new AbortController();
    const impatient = (await away.send({ to, body, deliveryReceipt: true })).delivered(patience.signal);
    patience.abort();
    await rejected(impatient, 'aborted');
  });
});
