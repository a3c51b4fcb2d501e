import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ProviderInterface } from '@polkadot/rpc-provider/types';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import type * as Crypto from '../../src/crypto/index.ts';
import type * as Root from '../../src/index.ts';
import type { TransactionalStore } from '../../src/store/index.ts';
import type { WorkerStateWatch } from '../../src/worker-state/index.ts';
import { costOf, type Cost } from '../cost.ts';
import { connectRaw } from '../replay/raw-client.ts';

/** As it is packed: run from its sources, a loader gives names to functions, which takes as long as what they do. */
const packed = new URL('../../dist/', import.meta.url).href;
const { connectChain, watchWorkerState, openLmdbStore } = (await import(`${packed}index.js`)) as typeof Root;
const { ready } = (await import(`${packed}crypto/index.js`)) as typeof Crypto;

/** A chain and what is to be done with it. */
export interface Task {
  readonly url: string;
  readonly workers: number;
  /** Blocks to follow, beyond the one that is shown first. */
  readonly from: number;
  readonly to: number;
  /** The first of them that counts; those before are followed too. */
  readonly counted: number;
  /** Folder of a store. */
  readonly store: string;
}

/** One way to read or follow WorkerState; gives its cost, connecting left out. */
export type Variant = (task: Task) => Promise<Cost & { readonly heldBytes?: number }>;

const pageSize = 1_000;
const inFlight = 6;
const gets = 1_000;

/** `entries()` of both maps by @polkadot/api. */
const entries: Variant = async ({ url, workers }) => {
  // The others need not wait for it.
  const { ApiPromise, WsProvider } = await import('@polkadot/api');
  const api = await ApiPromise.create({
    provider: new WsProvider(url) as unknown as ProviderInterface,
    noInitWarn: true,
  });
  const held: unknown[] = [];
  const cost = await withHeld(async () => {
    const at = await api.at(await api.rpc.chain.getFinalizedHead());
    const infos = await at.query.phalaRegistry.workers.entries();
    const endpoints = await at.query.phalaRegistry.endpoints.entries();
    assert.deepEqual([infos.length, endpoints.length], [workers, workers]);
    held.push(infos, endpoints);
  });
  assert.equal(held.length, 2);
  await api.disconnect();
  return cost;
};

/** The same keys and values, pages in flight, parsed as JSON and thrown away. */
const raw: Variant = async ({ url, workers }) => {
  const { call, close } = await connectRaw(url);
  const cost = await costOf(async () => {
    const head = await call('chain_getFinalizedHead', []);
    const read = async (prefix: string): Promise<void> => {
      let found = 0;
      const reads: Promise<unknown>[] = [];
      for (let start: unknown = null; ;) {
        const keys = (await call('state_getKeysPaged', [prefix, pageSize, start, head])) as string[];
        found += keys.length;
        if (keys.length > 0) reads.push(call('state_queryStorageAt', [keys, head]));
        if (reads.length >= inFlight) await reads.shift();
        if (keys.length < pageSize) break;
        start = keys.at(-1);
      }
      await Promise.all(reads);
      assert.equal(found, workers);
    };
    await read(storagePrefix('PhalaRegistry', 'Workers'));
    await read(storagePrefix('PhalaRegistry', 'Endpoints'));
  });
  close();
  return cost;
};

const snapshot =
  (verify: boolean, upTo: 'ready' | 'verified'): Variant =>
  async ({ url, workers }) => {
    const chain = await connectChain({ endpoints: [url] });
    await ready();
    const watches: WorkerStateWatch[] = [];
    const cost = await withHeld(async () => {
      const watch = watchWorkerState(chain, { verify });
      watches.push(watch);
      await watch[upTo];
      assert.equal(watch.state.size, workers);
    });
    for (const watch of watches) await watch.stop();
    await chain.stop();
    return cost;
  };

/** From opening the store up to and with the first 1 000 workers looked at, their records verified; `cold`: in a store that is empty. */
const start =
  (kind: 'cold' | 'warm'): Variant =>
  async ({ url, workers, store: path }) => {
    if (kind === 'cold') await rm(path, { recursive: true, force: true });
    const chain = await connectChain({ endpoints: [url] });
    await ready();
    const ids = await someIds(url);
    const opened: { store: TransactionalStore; watch: WorkerStateWatch }[] = [];
    const cost = await costOf(async () => {
      const store = await openLmdbStore({ path });
      const watch = watchWorkerState(chain, { verify: true, store });
      opened.push({ store, watch });
      await watch.ready;
      assert.equal(watch.state.size, workers);
      for (const id of ids) assert.ok(watch.state.get(id) !== undefined);
    });
    for (const { store, watch } of opened) {
      await watch.verified;
      await watch.stop();
      await store.close();
    }
    await chain.stop();
    return cost;
  };

/** Follows blocks one by one, as a chain makes them. */
const follow: Variant = async ({ url, from, to, counted }) => {
  const control = await connectRaw(url);
  await control.call('replay_show', [from]);
  const chain = await connectChain({ endpoints: [url] });
  const watch = watchWorkerState(chain, { verify: true });
  await watch.verified;
  const changes = watch.changes$.subscribe();
  const reached = new Latest();
  const blocks = watch.at$.subscribe(({ block }) => reached.set(block));
  const cost = await costOfBlocks({ from, to, counted }, async (block) => {
    await control.call('replay_show', [block]);
    await reached.atLeast(block);
  });
  assert.equal(watch.state.at.block, to);
  blocks.unsubscribe();
  changes.unsubscribe();
  await watch.stop();
  await chain.stop();
  control.close();
  return cost;
};

/** Is told of the same blocks and fetches the header of each, by bare calls. */
const headers: Variant = async ({ url, from, to, counted }) => {
  const control = await connectRaw(url);
  await control.call('replay_show', [from]);
  const client = await connectRaw(url);
  const told = new Latest();
  client.onNotification = (result) => told.set(Number((result as { number: string }).number));
  await client.call('chain_subscribeFinalizedHeads', []);
  let fetched = 0;
  const cost = await costOfBlocks({ from, to, counted }, async (block) => {
    await control.call('replay_show', [block]);
    await told.atLeast(block);
    const hash = await client.call('chain_getBlockHash', [block]);
    const header = (await client.call('chain_getHeader', [hash])) as { number: string };
    fetched = Number(header.number);
  });
  assert.equal(fetched, to);
  client.close();
  control.close();
  return cost;
};

/** The same blocks as the chain room gives them to whoever follows heads. */
const heads: Variant = async ({ url, from, to, counted }) => {
  const control = await connectRaw(url);
  await control.call('replay_show', [from]);
  const chain = await connectChain({ endpoints: [url] });
  const stopping = new AbortController();
  const events = chain.headEvents({}, stopping.signal);
  await events.next();
  const cost = await costOfBlocks({ from, to, counted }, async (block) => {
    await control.call('replay_show', [block]);
    const { value } = await events.next();
    assert.equal(value.head.number, block);
  });
  stopping.abort();
  await chain.stop();
  control.close();
  return cost;
};

/** Of those that count, after the others. */
async function costOfBlocks(
  { from, to, counted }: Pick<Task, 'from' | 'to' | 'counted'>,
  follow: (block: number) => Promise<void>,
): Promise<Cost> {
  for (let block = from + 1; block < counted; block++) await follow(block);
  return costOf(async () => {
    for (let block = Math.max(from + 1, counted); block <= to; block++) await follow(block);
  });
}

/** A number that grows, waited for without taking any CPU: one waits at a time. */
class Latest {
  #value = 0;
  #wake: () => void = () => undefined;

  set(value: number): void {
    this.#value = value;
    this.#wake();
  }

  async atLeast(value: number): Promise<void> {
    while (this.#value < value) await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

export const variants: Readonly<Record<string, Variant>> = {
  entries,
  raw,
  plain: snapshot(false, 'ready'),
  'plain-verified': snapshot(false, 'verified'),
  proven: snapshot(true, 'ready'),
  'proven-verified': snapshot(true, 'verified'),
  cold: start('cold'),
  warm: start('warm'),
  follow,
  headers,
  heads,
};

/** With the memory that is held at the end above that at the start, all kinds of it. */
async function withHeld(operation: () => Promise<void>): Promise<Cost & { readonly heldBytes: number }> {
  const before = await heldBytes();
  const cost = await costOf(operation);
  return { ...cost, heldBytes: (await heldBytes()) - before };
}

async function heldBytes(): Promise<number> {
  for (let round = 0; round < 3; round++) {
    globalThis.gc?.();
    await sleep(20);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** Ids from all over the map. */
async function someIds(url: string): Promise<`0x${string}`[]> {
  const { call, close } = await connectRaw(url);
  const head = await call('chain_getFinalizedHead', []);
  const prefix = storagePrefix('PhalaRegistry', 'Workers');
  const keys = (await call('state_getKeysPaged', [prefix, gets, null, head])) as string[];
  close();
  return keys.map((key) => `0x${key.slice(-64)}` as const);
}
