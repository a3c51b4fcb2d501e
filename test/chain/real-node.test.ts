import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { eraBlocks } from '../../src/chain/submit/sign-extrinsic.ts';
import { workerMessageContent } from '../../src/codec/index.ts';
import { sign } from '../../src/crypto/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { describeRealNode, startRealNode, useRealNode } from '../support/real-node.ts';
import {
  alice,
  bob,
  isChain,
  record,
  signedEndpoints,
  testWorker,
  utf8,
  withCode,
  type TestWorker,
} from './support.ts';
import { startProxy } from './tcp-proxy.ts';

const topic = utf8('topic');
const worker = testWorker(1);
const register = registrationOf(worker);
const fastBackoff = { minMs: 20, maxMs: 200 };
/** A node compiles its runtime before it listens, and waits for its turn on a busy machine. */
const nodeTimeoutMs = 180_000;

function push(byte: number): Call {
  return { kind: 'push-message', destination: topic, payload: Uint8Array.of(byte) };
}

function registrationOf({ identity, ecdhKey }: TestWorker): Call {
  return { kind: 'register-worker', identity, ecdhKey };
}

function workerMessage(sequence: bigint, { identity, pair }: TestWorker = worker): Call {
  const message = { worker: identity, destination: topic, payload: topic };
  const signature = sign(pair.secretKey, workerMessageContent(message, sequence));
  return { kind: 'sync-offchain-message', ...message, sequence, signature };
}

/** Of all messages in blocks from `first` on. */
async function payloads(chain: Chain, first = 0): Promise<number[]> {
  const found: number[] = [];
  const { number } = await chain.bestHead();
  for (let block = first; block <= number; block++) {
    const head = await chain.headAt(block);
    if (head === undefined) throw new Error(`block ${block} is missing`);
    for (const { payload } of await chain.at(head.hash).outboundMessages()) found.push(...payload);
  }
  return found.sort((a, b) => a - b);
}

describeRealNode('the chain room', function () {
  this.timeout(nodeTimeoutMs);
  const node = useRealNode({ safeRpcOnly: true, blockTimeMs: 200 });

  it('submits, reads and follows over safe RPCs', async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    await using watch = watchWorkerState(chain);
    await watch.ready;
    const first = (await chain.finalizedHead()).number + 1;
    using heads = record(chain.finalizedHeads$({ from: 0 }));
    using changes = record(watch.changes$);
    for (const waitFor of ['inBlock', 'finalized'] as const)
      for (const byte of [1, 2]) await chain.submit([push(byte)], alice, { waitFor });
    const { blockHash } = await chain.submit([register], bob);
    const signed = await signedEndpoints(chain, worker, ['http://a']);
    await chain.submit([{ kind: 'update-worker-endpoint', ...signed }], bob);
    await changes.until(({ length }) => length === 2);
    assert.deepEqual(watch.state.get(worker.identity)?.endpoints, ['http://a']);
    assert.deepEqual((await chain.at(blockHash).touchedWorkers()).ids, [worker.identity]);
    const { hash } = await chain.finalizedHead();
    await heads.until((events) => events.at(-1)?.head.hash === hash);
    assert.ok(isChain(heads.values));
    assert.deepEqual(await payloads(chain, first), [1, 1, 2, 2]);
  });

  it('gives up on what no block takes while it is valid, and frees its nonce', async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    const other = testWorker(2);
    await chain.submit([registrationOf(other)], alice);
    // Nothing comes in before the messages with the sequences before it.
    await assert.rejects(chain.submit([workerMessage(5n, other)], alice), withCode('extrinsic-expired'));
    await chain.submit([push(1)], alice);
  });

  it('keeps nonces apart in parallel, beside another program too', async () => {
    await using one = await connectChain({ endpoints: [node.ws] });
    await using other = await connectChain({ endpoints: [node.ws] });
    const first = (await one.bestHead()).number + 1;
    const bytes = Array.from({ length: 20 }, (_, i) => i);
    await Promise.all(bytes.map((byte) => (byte % 2 ? one : other).submit([push(byte)], alice)));
    assert.deepEqual(await payloads(one, first), bytes);
  });

  it('goes on where the node crashes and comes back', async () => {
    const basePath = await mkdtemp(join(tmpdir(), 'khala-node-'));
    try {
      const first = await startRealNode({ basePath, blockTimeMs: 300 });
      await using proxy = await startProxy(first.ws);
      await using chain = await connectChain({
        endpoints: [proxy.ws],
        backoff: fastBackoff,
        silenceMs: 2_000,
        // A node takes its time to come back.
        timeoutMs: 120_000,
      });
      using heads = record(chain.finalizedHeads$());
      using best = record(chain.bestHeads$());
      const seen = await chain.submit([push(1)], alice, { waitFor: 'finalized' });
      const [{ blockNumber }, second] = await Promise.all([
        chain.submit([push(2)], alice, { waitFor: 'finalized' }),
        first.kill().then(async () => {
          const again = await startRealNode({ basePath, blockTimeMs: 300 });
          proxy.retarget(again.ws);
          return again;
        }),
      ]);
      await using _ = second;
      for (const recorder of [heads, best])
        await recorder.until((events) => (events.at(-1)?.head.number ?? 0) > blockNumber);
      assert.ok(isChain(heads.values) && isChain(best.values));
      assert.ok(blockNumber >= seen.blockNumber);
      assert.deepEqual(await payloads(chain), [1, 2]);
    } finally {
      await rm(basePath, { recursive: true, force: true });
    }
  });

  it('goes on where the node stood still', async () => {
    await using chain = await connectChain({ endpoints: [node.ws], backoff: fastBackoff, silenceMs: 500 });
    using heads = record(chain.finalizedHeads$());
    await heads.until(({ length }) => length > 0);
    node.pause();
    const reading = chain.finalizedHead();
    await assert.rejects(connectChain({ endpoints: [node.ws], timeoutMs: 500 }), withCode('chain-unreachable'));
    const { length } = heads.values;
    node.resume();
    await reading;
    await heads.until((events) => events.length > length + 2);
    assert.ok(isChain(heads.values));
  });

  it('says which block has been pruned', async () => {
    await using node = await startRealNode({ statePruning: 10, blockTimeMs: 100 });
    await using chain = await connectChain({ endpoints: [node.ws] });
    const { blockHash } = await chain.submit([push(1)], alice);
    assert.equal((await chain.at(blockHash).outboundMessages()).length, 1);
    using heads = record(chain.finalizedHeads$());
    await heads.until(({ length }) => length > 20);
    await assert.rejects(chain.at(blockHash).outboundMessages(), withCode('state-discarded', blockHash));
  });

  it('reads and follows hundreds of workers that come in one block', async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    await using watch = watchWorkerState(chain);
    using changes = record(watch.changes$);
    await watch.ready;
    const before = [...watch.state].map(([id]) => id);
    const workers = Array.from({ length: 200 }, (_, i) => testWorker(i + 3));
    const calls = workers.map(({ identity, ecdhKey }): Call => ({ kind: 'force-register-worker', identity, ecdhKey }));
    await chain.submit(calls, alice);
    await changes.until(({ length }) => length >= 200);
    assert.equal(watch.state.size, before.length + 200);
    await using anew = watchWorkerState(chain);
    await anew.ready;
    const expected = [...before, ...workers.map(({ identity }) => identity)];
    assert.deepEqual([...anew.state].map(([id]) => id).sort(), expected.sort());
  });
});

describeRealNode('the chain room, where each extrinsic is a block and none is finalized', function () {
  this.timeout(nodeTimeoutMs);
  const node = useRealNode();

  it('goes on for longer than an era', async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    const { number } = await chain.bestHead();
    for (let i = 0; i < eraBlocks + 2; i++) await chain.submit([push(i)], alice);
    assert.equal((await chain.finalizedHead()).number, 0);
    assert.equal((await chain.bestHead()).number, number + eraBlocks + 2);
  });

  it("names the pool's refusals", async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    await chain.submit([register, workerMessage(0n)], alice);
    for (const calls of [[workerMessage(0n)], [push(1), workerMessage(0n)]])
      await assert.rejects(chain.submit(calls, alice), withCode('dispatch-failed', 'PhalaMq.BadSequence'));
    const poor = { ...alice, id: worker.identity, sign: (bytes: Uint8Array) => sign(worker.pair.secretKey, bytes) };
    await assert.rejects(chain.submit([push(1)], poor), withCode('balance-too-low', worker.identity));
    const fits: Call = {
      kind: 'push-message',
      destination: topic,
      payload: new Uint8Array(chain.info.maxExtrinsicBytes - 500),
    };
    await chain.submit([fits], alice);
  });
});
