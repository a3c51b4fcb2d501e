import assert from 'node:assert/strict';
import { equalBytes, type Hex } from '../../src/codec/index.ts';
import { RelayError, type ErrorCode } from '../../src/errors/index.ts';
import {
  createRelayOutbox,
  type OffChainCarrier,
  type Receipt,
  type RelayOutbox,
  type RelayOutboxOptions,
} from '../../src/outbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { rangeOf } from '../../src/store/keys.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { directoryOf, utf8 } from '../support/entities.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
const hour = 3_600_000;
const day = 24 * hour;
/** Of one place, where others wait for theirs. */
const turnMs = 15_000;
const body = { kind: 'data', content: utf8('hello') } as const;

/** Takes all, and tells where answers are waited for. */
class TestCarrier implements OffChainCarrier {
  reaches = true;
  failure: RelayError | undefined;
  /** Endpoints that are waited at. */
  readonly waits: string[] = [];
  /** As often as waiting was begun. */
  begun = 0;
  /** That took a message, in turn. */
  endpoints: readonly string[] = ['http://relay.example'];
  readonly seen = new Set<string>();
  #carried = 0;

  canReach(): boolean {
    return this.reaches;
  }

  carry(): ReturnType<OffChainCarrier['carry']> {
    const endpoint = this.endpoints[this.#carried++ % this.endpoints.length] ?? '';
    return Promise.resolve({ endpoint, status: 'stored' });
  }

  async awaitReplies({ endpoint }: { readonly endpoint: string }, _: unknown, signal: AbortSignal): Promise<void> {
    this.begun += 1;
    if (this.failure !== undefined) throw this.failure;
    this.seen.add(endpoint);
    this.waits.push(endpoint);
    await new Promise((resolve) => {
      signal.addEventListener('abort', resolve);
    });
    this.waits.splice(this.waits.indexOf(endpoint), 1);
  }
}

describe('outbox: waiting for the word that a message was read', () => {
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
    const receipt = await box.send({ to, body, readReceipt: true });
    return { ...receipt, messageId: (await receipt.reached('finalized')).messageId };
  };
  const asked = async (): Promise<number> => (await store.entries(rangeOf('outbox/asked/'))).length;
  const later = (ms: number, box: RelayOutbox): void => {
    clock += ms;
    box.tryAgain();
  };

  it('goes on, after a restart, for 7 days after the last message went', async () => {
    const first = await outbox();
    clock += 3 * day;
    const last = await sent(first);
    clock -= 3 * day;
    // The order in which they lie in the store is that of their ids.
    while ((await sent(first)).messageId < last.messageId);
    await first.stop();
    const second = await outbox();
    await until(() => carrier.waits.length === 1);
    later(7 * day + 1, second);
    await until(async () => (await asked()) === 1);
    assert.equal(carrier.waits.length, 1);
    later(3 * day, second);
    await until(() => carrier.waits.length === 0);
  });

  it('ends with a read-timeout 7 days after the message went, and nothing is kept of it', async () => {
    const box = await outbox();
    const receipt = await sent(box);
    const reading = receipt.read();
    later(7 * day - 1, box);
    assert.equal(await Promise.race([reading, new Promise((resolve) => setTimeout(resolve, 50, 'waits'))]), 'waits');
    later(1, box);
    await rejected(reading, 'read-timeout');
    await rejected(receipt.read(), 'read-timeout');
    later(hour, box);
    await until(async () => carrier.waits.length === 0 && (await asked()) === 0);
    assert.equal(
      await box.noteReply({ messageId: genesisHash, from: to, inReplyTo: receipt.messageId, sentAt: 0n }),
      false,
    );
  });

  it('is kept no longer where its time ended while the store was looked through', async () => {
    let looks = 0;
    let goOn: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const { from } = rangeOf('outbox/asked/');
    const slow: TransactionalStore = {
      get: (key) => store.get(key),
      entries: async (range) => {
        // The first two take up what was asked before.
        if (equalBytes(range.from, from) && ++looks === 3) await held;
        return store.entries(range);
      },
      commit: (...change) => store.commit(...change),
      close: () => store.close(),
      [Symbol.asyncDispose]: () => store.close(),
    };
    const box = await outbox({ store: slow });
    await sent(box);
    await until(() => looks === 3);
    later(7 * day, box);
    goOn();
    await until(async () => (await asked()) === 0);
  });

  it('is counted from when the message went, not from when it was queued', async () => {
    const box = await outbox();
    carrier.reaches = false;
    const receipt = await box.send({ to, body, readReceipt: true });
    clock += 8 * day;
    carrier.reaches = true;
    box.tryAgain();
    const { messageId: inReplyTo } = await receipt.reached('finalized');
    await until(() => carrier.waits.length === 1);
    const reading = receipt.read();
    assert.equal(await box.noteReply({ messageId: genesisHash, from: to, inReplyTo, sentAt: 1n }), true);
    assert.deepEqual(await reading, { messageId: genesisHash, readAt: 1n });
    await until(() => carrier.waits.length === 0);
  });

  it('ends where the message is forgotten', async () => {
    const box = await outbox({ keepDone: 0 });
    const first = await sent(box);
    const reading = first.read();
    while ((await box.receipt(first.sendId)) !== undefined) await sent(box);
    box.tryAgain();
    await rejected(reading, 'no-such-message');
    let kept = 0;
    for await (const _ of box.entries()) kept += 1;
    assert.equal(await asked(), kept);
  });

  it('begins again after a failure that passes, later and later, and at once when told', async () => {
    const box = await outbox();
    carrier.failure = new RelayError('agent-gone', { details: { path: '', reason: 'it restarts' } });
    await sent(box);
    await until(() => setbacks.length === 1);
    later(0, box);
    await until(() => setbacks.length === 2);
    carrier.failure = undefined;
    clock += 2_000;
    await until(() => carrier.waits.length === 1);
    assert.deepEqual(setbacks, ['agent-gone', 'agent-gone']);
  });

  it('ends for good where waiting is in vain, until another message goes there', async () => {
    const box = await outbox();
    carrier.failure = new RelayError('wrong-chain', { details: { url: '', actual: '', expected: '' } });
    await sent(box);
    await until(() => setbacks.length === 1);
    later(day, box);
    carrier.failure = undefined;
    await sent(box);
    await until(() => carrier.waits.length === 1);
    assert.equal(carrier.begun, 2);
  });

  it('takes turns at more endpoints than are waited at at a time', async () => {
    const box = await outbox();
    carrier.endpoints = Array.from({ length: 80 }, (_, n) => `http://relay-${n}.example`);
    for (let n = 0; n < 80; n++) await sent(box);
    await until(() => carrier.waits.length === 32);
    assert.equal(carrier.begun, 32);
    for (const [turn, seen] of [64, 80].entries()) {
      later(turnMs, box);
      await until(() => carrier.seen.size === seen && carrier.waits.length === 32);
      assert.equal(new Set(carrier.waits).size, 32, `turn ${turn}`);
    }
  });
});
