import assert from 'node:assert/strict';
import { ApiPromise, WsProvider } from '@polkadot/api';
import type { ProviderInterface } from '@polkadot/rpc-provider/types';
import { WebSocket } from 'ws';
import { connectChain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { ready } from '../../src/crypto/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { costOf, type Cost } from '../cost.ts';

/** A way to read all of WorkerState at the head of a node; gives its cost, connecting left out. */
export type Variant = (url: string, workers: number) => Promise<Cost>;

const pageSize = 1_000;
const inFlight = 6;

/** `entries()` of both maps by @polkadot/api. */
const entries: Variant = async (url, workers) => {
  const api = await ApiPromise.create({
    provider: new WsProvider(url) as unknown as ProviderInterface,
    noInitWarn: true,
  });
  const cost = await costOf(async () => {
    const at = await api.at(await api.rpc.chain.getFinalizedHead());
    const infos = await at.query.phalaRegistry.workers.entries();
    const endpoints = await at.query.phalaRegistry.endpoints.entries();
    assert.deepEqual([infos.length, endpoints.length], [workers, workers]);
  });
  await api.disconnect();
  return cost;
};

/** The same keys and values, pages in flight, parsed as JSON and thrown away. */
const raw: Variant = async (url, workers) => {
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
  async (url, workers) => {
    const chain = await connectChain({ endpoints: [url] });
    await ready();
    const cost = await costOf(async () => {
      const watch = watchWorkerState(chain, { verify });
      await watch[upTo];
      assert.equal(watch.state.size, workers);
    });
    await chain.stop();
    return cost;
  };

export const variants: Readonly<Record<string, Variant>> = {
  entries,
  raw,
  plain: snapshot(false, 'ready'),
  'plain-verified': snapshot(false, 'verified'),
  proven: snapshot(true, 'ready'),
  'proven-verified': snapshot(true, 'verified'),
};

interface Raw {
  readonly call: (method: string, params: readonly unknown[]) => Promise<unknown>;
  readonly close: () => void;
}

async function connectRaw(url: string): Promise<Raw> {
  const socket = new WebSocket(url, { maxPayload: 2 ** 28 });
  await new Promise((resolve) => socket.once('open', resolve));
  const waiting = new Map<number, (result: unknown) => void>();
  socket.on('message', (data: Buffer) => {
    const { id, result } = JSON.parse(data.toString()) as { id: number; result: unknown };
    waiting.get(id)?.(result);
    waiting.delete(id);
  });
  let next = 1;
  return {
    call: (method, params) =>
      new Promise((resolve) => {
        const id = next++;
        waiting.set(id, resolve);
        socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }));
      }),
    close: () => socket.close(),
  };
}
