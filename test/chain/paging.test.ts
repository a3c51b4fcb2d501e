import assert from 'node:assert/strict';
import { once } from 'node:events';
import { WebSocketServer } from 'ws';
import { connectChain } from '../../src/chain/index.ts';
import { RpcSocket } from '../../src/chain/rpc/rpc-socket.ts';
import { KeysAtOnce } from '../../src/chain/storage/keys-at-once.ts';
import { StorageReader } from '../../src/chain/storage/storage-reader.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { withCode } from './support.ts';

const block = `0x${'11'.repeat(32)}` as const;
const keyOf = (i: number): `0x${string}` => `0x${i.toString(16).padStart(8, '0')}`;

describeOnChains('answers that would be too large', { workers: 60 }, (node) => {
  it('are asked for in halves until the node gives them', async () => {
    let largest = 0;
    await using proxy = await startRpcProxy(node.ws, (method, [keys], result) => {
      if (method !== 'state_queryStorageAt') return result;
      const { length } = keys as unknown[];
      if (length > 7) return new Refusal('Response is too big', -32008);
      largest = Math.max(largest, length);
      return result;
    });
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    const { hash } = await chain.finalizedHead();
    let found = 0;
    for await (const page of chain.at(hash).allWorkers()) found += page.ends.length;
    assert.equal(found, 60);
    assert.ok(largest > 1 && largest <= 7);
  });

  it('are asked for in halves where the socket breaks of them', async () => {
    await using proxy = await startRpcProxy(node.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws], backoff: { minMs: 5, maxMs: 20 } });
    const { hash } = await chain.finalizedHead();
    proxy.tooBig = ({ method, text }) => method === 'state_queryStorageAt' && text.length > 4_000;
    let found = 0;
    for await (const page of chain.at(hash).allWorkers()) found += page.ends.length;
    assert.equal(found, 60);
  });

  it('are an error that names the key where a single value is too large', async () => {
    await using proxy = await startRpcProxy(node.ws, (method, [keys], result) =>
      method === 'state_queryStorageAt' && JSON.stringify(keys).includes(node.workers[3]!.identity.slice(2))
        ? new Refusal('Response is too big', -32008)
        : result,
    );
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    const { hash } = await chain.finalizedHead();
    await assert.rejects(
      async () => {
        for await (const page of chain.at(hash).allWorkers()) assert.ok(page.ends.length > 0);
      },
      withCode('bad-storage', node.workers[3]!.identity.slice(2)),
    );
  });
});

describe('StorageReader', () => {
  it('asks for fewer keys at once where values are long, and for more again behind them', async () => {
    const sizes: number[] = [];
    const answer = ([keys]: readonly unknown[]): unknown => {
      const list = keys as `0x${string}`[];
      sizes.push(list.length);
      const changes = list.map((key) => [key, `0x${'00'.repeat(Number(key) < 3_000 ? 40_000 : 10)}`]);
      return [{ changes }];
    };
    const reader = new StorageReader({
      askAs: ({ params }, parse) => Promise.resolve({ value: parse(answer(params), ''), url: '' }),
      doubt: () => undefined,
    });
    const keys = Array.from({ length: 60_000 }, (_, i) => keyOf(i));
    const values = await reader.values(keys, block);
    assert.equal(values.length, keys.length);
    assert.ok(values.every((value, i) => value?.length === (i < 3_000 ? 80_002 : 22)));
    const settled = sizes.slice(6, 20);
    assert.ok(
      settled.every((size) => size * 80_002 <= 2 * 4 * 1024 * 1024),
      String(settled),
    );
    assert.equal(Math.max(...sizes.slice(-20)), 1_000);
  });
});

describe('KeysAtOnce', () => {
  it('goes down to what fits, stays there for a while, and comes back up from one key', () => {
    const atOnce = new KeysAtOnce(1_000);
    const askFor = (limit: number): boolean => {
      const { size } = atOnce;
      if (size > limit) atOnce.refused(size);
      else atOnce.fitted(size);
      return size <= limit;
    };
    const refusals = (asked: number, limit: number): number =>
      Array.from({ length: asked }, () => askFor(limit)).filter((isFitting) => !isFitting).length;
    assert.equal(refusals(3, 150), 3);
    assert.equal(atOnce.size, 125);
    assert.ok(refusals(1_000, 150) <= 1_000 / 50);
    refusals(10, 1);
    assert.equal(atOnce.size, 1);
    assert.equal(refusals(1_000, 1_000), 0);
    assert.equal(atOnce.size, 1_000);
  });

  it('cuts keys into windows, each of as many as there may be by then', () => {
    const atOnce = new KeysAtOnce(8);
    const sizes: number[] = [];
    for (const window of atOnce.windows(Array.from({ length: 20 }, (_, i) => i))) {
      sizes.push(window.length);
      if (sizes.length === 1) atOnce.refused(8);
      if (sizes.length === 2) atOnce.fitted(4, 3);
    }
    assert.deepEqual(sizes, [8, 4, 3, 3, 2]);
  });
});

describe('a socket', () => {
  it('has a bounded number of requests under way, in the order they were made', async () => {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    const asked: number[] = [];
    let underWay = 0;
    let most = 0;
    server.on('connection', (client) =>
      client.on('message', (data: Buffer) => {
        const { id, params } = JSON.parse(data.toString()) as { id: number; params: [number] };
        asked.push(params[0]);
        most = Math.max(most, ++underWay);
        setImmediate(() => {
          underWay--;
          client.send(JSON.stringify({ id, result: params[0] }));
        });
      }),
    );
    const { port } = server.address() as { port: number };
    const stopping = new AbortController();
    const socket = await RpcSocket.open(`ws://127.0.0.1:${port}`, { timeoutMs: 5_000, signal: stopping.signal });
    const numbers = Array.from({ length: 500 }, (_, i) => i);
    const leaving = new AbortController();
    const answers = Promise.all(numbers.map((i) => socket.request('test', [i])));
    const abandoned = socket.request('test', [-1], { signal: leaving.signal });
    leaving.abort();
    await assert.rejects(abandoned, withCode('aborted'));
    assert.deepEqual(await answers, numbers);
    assert.deepEqual(asked, numbers);
    assert.ok(most > 1 && most <= 32, `${most} at once`);
    const waiting = Promise.allSettled(numbers.map((i) => socket.request('test', [i])));
    socket.close('enough');
    assert.ok((await waiting).every(({ status }) => status === 'rejected'));
    await new Promise((resolve) => server.close(resolve));
  });
});
