import assert from 'node:assert/strict';
import { mock } from 'node:test';
import { decodeSignedEnvelope, toHex, type Hex } from '../../src/codec/index.ts';
import { decodeV1 } from '../../src/crypto/core.ts';
import { RelayError } from '../../src/errors/index.ts';
import { openOutboxQueue, queueMessage, type OffChainCarrier, type SendMessage } from '../../src/outbox/index.ts';
import { routePrefix } from '../../src/outbox/outbox-keys.ts';
import { RelayTransport } from '../../src/outbox/relay-transport.ts';
import { RunningQueue, type RunningQueueOptions } from '../../src/outbox/running-queue.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { rangeOf, storeKey } from '../../src/store/keys.ts';
import { createMemoryVault, type Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, utf8 } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';
import { until } from '../support/until.ts';

const genesisHash = toHex(new Uint8Array(32).fill(7));

/** A store that counts what is read of it. */
function counting(store: TransactionalStore) {
  const reads = { calls: 0, entries: 0 };
  const counted: TransactionalStore = {
    get: (key) => {
      reads.calls += 1;
      return store.get(key);
    },
    entries: async (range) => {
      reads.calls += 1;
      const entries = await store.entries(range);
      reads.entries += entries.length;
      return entries;
    },
    commit: (writes, expected) => store.commit(writes, expected),
    close: () => store.close(),
    [Symbol.asyncDispose]: () => store.close(),
  };
  return { counted, reads };
}

describe('outbox: the transport off chain', function () {
  this.timeout(60_000);
  let sender: Vault;
  let recipients: readonly Vault[];
  let store: TransactionalStore;
  /** Of the messages that were carried, in order. */
  let carried: { readonly to: Hex; readonly nonce: bigint }[];
  let isReached: boolean;
  let failure: RelayError | undefined;
  let isChainStuck: boolean;
  /** How often it was asked to carry one, and what that waits for. */
  let tries: number;
  let holding: Promise<void>;
  /** How often it fails for a recipient from now on. */
  const failing = new Map<Hex, number>();
  const running: RunningQueue[] = [];
  let transport: RelayTransport;

  const carrier: OffChainCarrier = {
    canReach: () => isReached,
    async carry(signedEnvelope, to) {
      const { nonce } = decodeV1(decodeSignedEnvelope(signedEnvelope).envelope).header;
      tries += 1;
      await holding;
      if (failure !== undefined) throw failure;
      const left = failing.get(to) ?? 0;
      failing.set(to, left - 1);
      if (left > 0) throw new RelayError('no-endpoint-answered', { details: { count: 1, reason: 'test' } });
      carried.push({ to, nonce });
      return { endpoint: 'http://relay.example', status: 'stored' };
    },
  };

  beforeEach(() => {
    sender = createMemoryVault();
    recipients = [createMemoryVault(), createMemoryVault(), createMemoryVault()];
    store = openMemoryStore();
    carried = [];
    isReached = true;
    failure = undefined;
    isChainStuck = false;
    tries = 0;
    holding = Promise.resolve();
    failing.clear();
  });
  afterEach(async () => {
    for (const queue of running.splice(0)) await queue.stop();
  });

  const identity = (n: number): Hex => recipients[n]?.identity ?? '0x';
  const queueTo = (n: number, options: Pick<SendMessage, 'via'> = {}) =>
    queueMessage(
      { vault: sender, store, genesisHash },
      { to: identity(n), body: { kind: 'data', content: utf8('hello') }, ...options },
    );
  const queueMany = async (count: number, n = 0): Promise<void> => {
    for (let i = 0; i < count; i++) await queueTo(n);
  };
  const start = async (of = store, options: Partial<RunningQueueOptions> = {}): Promise<RunningQueue> => {
    const directory = await directoryOf(...recipients);
    const queue = new RunningQueue({ vault: sender, store: of, directory, genesisHash, hasCarrier: true, ...options }, [
      (work) =>
        (transport = new RelayTransport({
          ...work,
          carrier,
          onNewerKey: () => undefined,
          isChainStuck: () => isChainStuck,
        })),
    ]);
    running.push(queue);
    await queue.start();
    return queue;
  };

  it('reads a few records for each message, however many wait', async () => {
    const most = 8;
    for (const count of [500, 2_000]) {
      carried = [];
      await queueMany(count);
      const { counted, reads } = counting(store);
      await start(counted);
      await until(() => carried.length === count);
      assert.ok(reads.calls < most * count, `${reads.calls} reads for ${count} messages`);
      assert.ok(reads.entries < 2 * count, `${reads.entries} entries for ${count} messages`);
      await running.pop()?.stop();
    }
  });

  it('reads nothing of what waits for a recipient out of reach, each time that it looks for news', async () => {
    const count = 3_000;
    isReached = false;
    await queueMany(count);
    const { counted, reads } = counting(store);
    const queue = await start(counted);
    await until(() => reads.entries >= count);
    const looks = 20;
    const before = { ...reads };
    for (let n = 0; n < looks; n++) {
      const { calls } = reads;
      queue.look();
      await until(() => reads.calls >= calls + 2);
    }
    assert.equal(reads.entries, before.entries);
    // Beside the looks the first message may be tried again.
    assert.ok(reads.calls - before.calls < 4 * looks, `${reads.calls - before.calls} reads of ${looks} looks`);
    isReached = true;
    queue.tryAgain();
    await until(() => carried.length === count);
  });

  it('sees what another process queues, and what it queues again of those long passed', async () => {
    const queue = await start();
    const failed = await queueTo(0);
    failure = new RelayError('envelope-too-large');
    queue.look();
    await until(async () => (await stateOf(failed.sendId)) === 'failed');
    failure = undefined;
    await queueMany(300, 1);
    queue.look();
    await until(() => carried.length === 300);
    await openOutboxQueue(store).retry(failed.sendId);
    queue.look();
    await until(() => carried.length === 301);
    assert.deepEqual(carried.at(-1), { to: identity(0), nonce: failed.nonce });
    // Nothing is left that would tell of it again.
    assert.deepEqual(await store.entries(rangeOf('outbox/requeued/')), []);
  });

  it('leaves what is queued again to the outbox that has taken over', async () => {
    const setbacks: string[] = [];
    const replaced = await start(store, { onSetback: ({ code }) => setbacks.push(code) });
    failure = new RelayError('envelope-too-large');
    const failed = await queueTo(0);
    replaced.look();
    await until(async () => (await stateOf(failed.sendId)) === 'failed');
    failure = undefined;
    await queueTo(1);
    const queue = await start();
    await until(() => carried.length === 1);
    await openOutboxQueue(store).retry(failed.sendId);
    replaced.look();
    await until(() => setbacks.includes('outbox-replaced'));
    queue.look();
    await until(() => carried.length === 2);
    assert.equal(carried.at(-1)?.nonce, failed.nonce);
  });

  it('tries each recipient again that failed, also when another one of them was reached meanwhile', async () => {
    for (const n of [0, 1, 2]) failing.set(identity(n), n + 1);
    for (const n of [0, 1, 2]) await queueTo(n);
    await start();
    await until(() => carried.length === 3);
    assert.equal(new Set(carried.map(({ to }) => to)).size, 3);
  });

  it('sends nothing that another process has cancelled', async () => {
    isReached = false;
    const queue = await start();
    const [gone, kept] = [await queueTo(0), await queueTo(0)];
    queue.look();
    await openOutboxQueue(store).cancel(gone.sendId);
    isReached = true;
    queue.tryAgain();
    await until(() => carried.length === 1);
    assert.equal(carried[0]?.nonce, kept.nonce);
    assert.equal(await stateOf(gone.sendId), 'failed');
  });

  it('leaves off chain what is being handed over, after its store had failed', async () => {
    let letThrough: () => void = () => undefined;
    holding = new Promise((resolve) => (letThrough = resolve));
    let isBroken = false;
    const unsteady = replacing(store, {
      commit: (writes, expected) =>
        isBroken
          ? Promise.reject(new RelayError('store-failed', { details: { path: '', reason: 'full' } }))
          : store.commit(writes, expected),
    });
    const { counted, reads } = counting(unsteady);
    const setbacks: string[] = [];
    const queue = await start(counted, { account: alice, onSetback: ({ code }) => setbacks.push(code) });
    isBroken = true;
    const { sendId } = await queueTo(0);
    queue.look();
    // It could not be marked as handed over, nor moved to the chain.
    await until(() => setbacks.length >= 2);
    isBroken = false;
    await until(() => tries > 0);
    for (let looks = 0; looks < 2; looks++) {
      const { calls } = reads;
      queue.resume();
      await until(() => reads.calls >= calls + 2);
    }
    letThrough();
    await until(async () => (await stateOf(sendId)) === 'relayed');
    assert.deepEqual(await store.entries(rangeOf('outbox/queued/worker/')), []);
  });

  it('writes down at once what a relay has taken, where it is told to try again after its store had failed', async () => {
    let letThrough: () => void = () => undefined;
    holding = new Promise((resolve) => (letThrough = resolve));
    let isFull = false;
    const unsteady = replacing(store, {
      commit: (writes, expected) =>
        isFull
          ? Promise.reject(new RelayError('store-failed', { details: { path: '', reason: 'full' } }))
          : store.commit(writes, expected),
    });
    let told: () => void = () => undefined;
    const failed = new Promise<void>((resolve) => (told = resolve));
    // No pause ends by itself.
    mock.timers.enable({ apis: ['setTimeout'] });
    try {
      const queue = await start(unsteady, {
        onSetback: () => {
          told();
        },
      });
      const { sendId } = await queueTo(0);
      queue.look();
      while (tries === 0) await new Promise(setImmediate);
      isFull = true;
      letThrough();
      await failed;
      isFull = false;
      const receipt = await queue.receipt(sendId);
      queue.tryAgain();
      assert.equal((await receipt?.reached('finalized'))?.state, 'relayed');
      assert.equal(carried.length, 1);
    } finally {
      mock.timers.reset();
    }
  });

  it('hands over nothing that is being moved to the chain, where its recipient is in reach again meanwhile', async () => {
    let letThrough: () => void = () => undefined;
    const moved = new Promise<void>((resolve) => (letThrough = resolve));
    let isMoving = false;
    const slow = replacing(store, {
      commit: async (writes, expected) => {
        const isPlace = (key: Uint8Array) => new TextDecoder().decode(key).startsWith('outbox/queued/worker/');
        if (writes.some(({ key, value }) => value !== undefined && isPlace(key))) {
          isMoving = true;
          await moved;
        }
        return store.commit(writes, expected);
      },
    });
    const carriedTo = (n: number) => carried.filter(({ to }) => to === identity(n)).map(({ nonce }) => nonce);
    for (const n of [0, 1]) failing.set(identity(n), 1);
    const onlyOffChain = await queueTo(0, { via: 'relay' });
    const { sendId } = await queueTo(0);
    for (let i = 0; i < 5; i++) await queueTo(1, { via: 'relay' });
    const queue = await start(slow, { account: alice });
    await until(() => isMoving && tries >= 2);
    queue.tryAgain();
    // In their turns: both of the first would have gone by then.
    await until(() => carriedTo(1).length === 5);
    letThrough();
    await until(() => carriedTo(0).length > 0);
    assert.deepEqual(carriedTo(0), [onlyOffChain.nonce]);
    assert.equal((await store.entries(rangeOf('outbox/queued/worker/'))).length, 1);
    assert.equal(await stateOf(sendId), 'queued');
  });

  it('brings back what does not get on at the chain, each page in one transaction and in order, and no more than that', async () => {
    const count = 300;
    await queueMany(count);
    isReached = false;
    let commits = 0;
    const counted = replacing(store, {
      commit: (writes, expected) => {
        commits += 1;
        return store.commit(writes, expected);
      },
    });
    const queue = await start(counted, { account: alice });
    const onChain = async (): Promise<number> => (await store.entries(rangeOf(routePrefix('worker')))).length;
    await until(async () => (await onChain()) === count);
    for (let n = 0; n < 3; n++) {
      const { sendId } = await queueMessage(
        { vault: sender, store, genesisHash, account: alice },
        { to: identity(0), body: { kind: 'data', content: utf8('stays') }, via: 'chain' },
      );
      assert.ok(sendId >= BigInt(count));
    }
    isChainStuck = true;
    let release = (): void => undefined;
    holding = new Promise((resolve) => (release = resolve));
    isReached = true;
    commits = 0;
    queue.tryAgain();
    await until(() => tries > 0);
    // Two pages, and the first that is handed over.
    assert.equal(commits, 3);
    release();
    await until(() => carried.length === count);
    assert.equal(await onChain(), 3, 'what may go on chain only');
    const nonces = carried.map(({ nonce }) => nonce);
    assert.deepEqual(
      nonces,
      nonces.toSorted((a, b) => (a < b ? -1 : 1)),
    );
  });

  it('brings back one to try whether its recipient is reached, and the rest once it is', async () => {
    const count = 600;
    isChainStuck = true;
    failing.set(identity(0), Infinity);
    await queueMany(count);
    let written = 0;
    const counted = replacing(store, {
      commit: (writes, expected) => {
        written += writes.length;
        return store.commit(writes, expected);
      },
    });
    const queue = await start(counted, { account: alice });
    const areThere = async (): Promise<boolean> =>
      (await store.entries(rangeOf(routePrefix('worker')))).length === count;
    await until(async () => tries > 0 && (await areThere()));
    const before = tries;
    written = 0;
    queue.tryAgain();
    await until(async () => tries > before && (await areThere()));
    assert.ok(written < count, `${written} writes`);
    failing.clear();
    queue.tryAgain();
    await until(() => carried.length === count);
    const nonces = carried.map(({ nonce }) => nonce);
    assert.deepEqual(nonces, [...nonces].sort(ascending));
  });

  it('brings back all of it, where the store fails between two pages and is asked again meanwhile', async () => {
    const count = 300;
    await queueMany(count);
    isReached = false;
    let pages = 0;
    const failsOnce = replacing(store, {
      commit: (writes, expected) => {
        const isBack = writes.some(({ key, value }) => value === undefined && isOnChainSide(key));
        if (!isBack || ++pages !== 2) return store.commit(writes, expected);
        transport.lookAtChainSide();
        return Promise.reject(new RelayError('store-failed', { details: { path: '', reason: 'full' } }));
      },
    });
    const queue = await start(failsOnce, { account: alice });
    await until(async () => (await store.entries(rangeOf(routePrefix('worker')))).length === count);
    isChainStuck = true;
    isReached = true;
    queue.tryAgain();
    await until(() => carried.length === count);
    const nonces = carried.map(({ nonce }) => nonce);
    assert.deepEqual(nonces, [...nonces].sort(ascending));
  });

  it('brings back what becomes free there while the store is asked what is', async () => {
    isChainStuck = true;
    let isFree = false;
    const asked = replacing(store, {
      entries: async (range) => {
        const entries = await store.entries(range);
        if (isOnChainSide(range.from) && !isFree) {
          isFree = true;
          const { sendId } = await queueTo(0);
          const place = storeKey(routePrefix('relay'), sendId);
          const value = await store.get(place);
          await store.commit([
            { key: place, value: undefined },
            { key: storeKey(routePrefix('worker'), sendId), value },
          ]);
          transport.lookAtChainSide();
        }
        return entries;
      },
    });
    await start(asked, { account: alice });
    await until(() => carried.length === 1);
  });

  it('takes what earlier versions queued, whose places name no recipient', async () => {
    await queueMany(3);
    for (const [key] of await store.entries(rangeOf('outbox/queued/relay/')))
      await store.commit([{ key, value: new Uint8Array(1) }]);
    await start();
    await until(() => carried.length === 3);
  });

  it('keeps the order of each recipient, and gives each its turn', async () => {
    for (const n of [0, 0, 0, 1, 2, 1]) await queueTo(n);
    await start();
    await until(() => carried.length === 6);
    for (const n of [0, 1, 2]) {
      const nonces = carried.filter(({ to }) => to === identity(n)).map(({ nonce }) => nonce);
      assert.deepEqual(nonces, [...nonces].sort(ascending));
    }
  });

  async function stateOf(sendId: bigint): Promise<string | undefined> {
    for await (const entry of openOutboxQueue(store).entries()) if (entry.sendId === sendId) return entry.status.state;
    return undefined;
  }
});

function isOnChainSide(key: Uint8Array): boolean {
  return new TextDecoder().decode(key).startsWith('outbox/queued/worker/');
}

function ascending(a: bigint, b: bigint): number {
  return Number(a - b);
}
