import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type BlockId, type Call, type Chain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { devWorker } from '../../src/dev-chain/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import { alice, record, signedEndpoints, testWorker, type TestWorker } from '../chain/support.ts';
import { temporaryFolder } from '../support/entities.ts';
import { writeSpecWithWorkers } from '../support/genesis-spec.ts';
import { ForkingNode } from '../support/forking-node.ts';
import { describeRealNode, startRealNode, type RealNode } from '../support/real-node.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { Mirror } from '../truth/mirror.ts';
import { testWatch } from './watch.compliance.ts';

/** A node compiles its runtime before it listens, and waits for its turn on a busy machine. */
const nodeTimeoutMs = 180_000;
/** Blocks whose state is kept. */
const statePruning = 12;
/** Several pages of keys. */
const count = 3_500;

for (const verify of [true, false])
  describeRealNode(`WorkerState by ${verify ? 'proofs' : 'hints'}, with pruning`, function () {
    this.timeout(nodeTimeoutMs);
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;
    let node: RealNode;
    let chain: Chain;
    let identities: readonly Hex[];

    before(async () => {
      folder = await temporaryFolder();
      const workers = await Promise.all(Array.from({ length: count }, (_, index) => devWorker(index)));
      identities = workers.map(({ identity }) => identity);
      const chainSpec = join(folder.path, 'spec.json');
      await writeSpecWithWorkers(chainSpec, workers);
      node = await startRealNode({ chainSpec, statePruning, blockTimeMs: 200, safeRpcOnly: true });
      chain = await connectChain({ endpoints: [node.ws] });
    });
    after(async () => {
      await chain.stop();
      await node.stop();
      await folder.remove();
    });

    testWatch(verify, () => ({ ws: node.ws, chain }));

    it('begins with all there is, and with what came meanwhile, where the node prunes the pinned block half way', async () => {
      await using proxy = await startRpcProxy(node.ws);
      await using held = await connectChain({ endpoints: [proxy.ws] });
      const worker = testWorker(200);
      let goOn: () => void = () => undefined;
      const pruned = new Promise<void>((resolve) => (goOn = resolve));
      let pinned: unknown;
      let pages = 0;
      const later: number[] = [];
      // Two pages of the first block come through; for the rest the node is asked when it has forgotten the block.
      proxy.hold = (method, [keys, block]) => {
        const isPage = (method === 'state_getReadProof' || method === 'state_queryStorageAt') && Array.isArray(keys);
        if (!isPage || keys.length < 100) return undefined;
        pinned ??= block;
        if (block !== pinned) {
          later.push(keys.length);
          return undefined;
        }
        pages += 1;
        return pages > 2 ? pruned : undefined;
      };
      await using watch = watchWorkerState(held, { verify });
      await until(() => pages > 2);
      const calls: Call[] = [{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }];
      const { blockNumber } = await chain.submit(calls, alice, { waitFor: 'finalized' });
      using heads = record(chain.finalizedHeads$());
      await heads.until((events) => (events.at(-1)?.head.number ?? 0) > blockNumber + 2 * statePruning);
      goOn();
      await watch.ready;
      assert.ok(watch.state.at.block > blockNumber);
      for (const id of [...identities, worker.identity]) assert.ok(watch.state.has(id), id);
      await using fresh = watchWorkerState(chain, { verify });
      await fresh.ready;
      assert.deepEqual([...watch.state], [...fresh.state]);
      // What was read and is still equal is not read again by proofs, which tell.
      if (verify) assert.ok(later.reduce((sum, keys) => sum + keys, 0) < 2 * count, String(later));
    });

    it('goes on from its store after the node forgot the block where it stood', async () => {
      await using store = openMemoryStore();
      const first = watchWorkerState(chain, { verify, store });
      await first.verified;
      await first.stop();
      const worker = testWorker(201);
      const calls: Call[] = [{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }];
      await chain.submit(calls, alice);
      const signed = await signedEndpoints(chain, worker, ['http://later']);
      const { blockNumber } = await chain.submit([{ kind: 'update-worker-endpoint', ...signed }], alice);
      using heads = record(chain.finalizedHeads$());
      await heads.until((events) => (events.at(-1)?.head.number ?? 0) > blockNumber + 2 * statePruning);
      await using again = watchWorkerState(chain, { verify, store });
      await again.ready;
      assert.deepEqual(again.state.get(worker.identity)?.endpoints, ['http://later']);
      await using fresh = watchWorkerState(chain, { verify });
      await fresh.ready;
      assert.deepEqual([...again.state], [...fresh.state]);
    });
  });

describeRealNode('WorkerState of a node whose answers have a limit', function () {
  this.timeout(nodeTimeoutMs);
  const workers = 2_000;
  /** So that a page of 1 000 values has twice the limit, as hex. */
  const url = `https://relay.example.net/${'w'.repeat(1_000)}`;

  it('is read in pages that the node gives, whatever it refuses at first', async () => {
    const folder = await temporaryFolder();
    await using _ = { [Symbol.asyncDispose]: () => folder.remove() };
    const chainSpec = join(folder.path, 'spec.json');
    const made = await Promise.all(Array.from({ length: workers }, (_, index) => devWorker(index)));
    await writeSpecWithWorkers(
      chainSpec,
      made.map((worker) => ({ ...worker, endpoints: [url] })),
    );
    // MiB, the least that a node takes.
    await using node = await startRealNode({ chainSpec, blockTimeMs: 200, args: ['--rpc-max-response-size', '1'] });
    await using proxy = await startRpcProxy(node.ws);
    await using chain = await connectChain({ endpoints: [proxy.ws] });
    await using watch = watchWorkerState(chain, { verify: false });
    await watch.ready;
    assert.equal(watch.state.size, workers);
    for (const { identity } of made) assert.deepEqual(watch.state.get(identity)?.endpoints, [url]);
    const refused = proxy.refused.filter(({ method }) => method === 'state_queryStorageAt');
    assert.ok(refused.length > 0 && refused.length < 30, `${refused.length} refusals`);
  });
});

describeRealNode('WorkerState of best blocks', function () {
  this.timeout(nodeTimeoutMs);

  it('takes back what a reorg took, by proofs and by hints, and shows what the new branch holds', async () => {
    await using node = await ForkingNode.start();
    const [known, lost, found] = [testWorker(210), testWorker(211), testWorker(212)];
    const register = async (posting: Chain, { identity, ecdhKey }: TestWorker): Promise<unknown> =>
      posting.submit([{ kind: 'register-worker', identity, ecdhKey }], alice);
    const publish = async (posting: Chain, worker: TestWorker, ...endpoints: readonly string[]): Promise<unknown> => {
      const signed = await signedEndpoints(posting, worker, endpoints);
      return posting.submit([{ kind: 'update-worker-endpoint', ...signed }], alice);
    };
    await using before = await connectChain({ endpoints: [node.ws] });
    await register(before, known);
    await publish(before, known, 'http://before');
    await node.keep();

    await using chain = await connectChain({ endpoints: [node.ws] });
    await using proven = watchWorkerState(chain, { verify: true, finality: 'best' });
    await using hinted = watchWorkerState(chain, { verify: false, finality: 'best' });
    const watches = [proven, hinted];
    const mirrors: Mirror[] = [];
    for (const watch of watches) {
      await watch.ready;
      mirrors.push(new Mirror(watch.stats.strategy, watch));
    }
    const comeTo = ({ hash }: BlockId): Promise<unknown> =>
      until(() => watches.every(({ state }) => state.at.hash === hash));
    await publish(chain, known, 'http://lost');
    await register(chain, lost);
    await publish(chain, lost, 'http://lost');
    const taken = await chain.bestHead();
    await comeTo(taken);
    for (const { state } of watches) {
      assert.ok(state.has(lost.identity));
      assert.deepEqual(state.get(known.identity)?.endpoints, ['http://lost']);
    }

    await node.goBack();
    await using after = await connectChain({ endpoints: [node.ws] });
    await register(after, found);
    for (const endpoint of ['http://1', 'http://2', 'http://3']) await publish(after, found, endpoint);
    const newest = await after.bestHead();
    assert.ok(
      newest.number > taken.number && (await after.headAt(taken.number))?.hash !== taken.hash,
      'a longer branch',
    );
    await comeTo(newest);
    await using fresh = watchWorkerState(after, { finality: 'best' });
    await fresh.ready;
    watches.forEach((watch, i) => {
      mirrors[i]?.check();
      mirrors[i]?.compareWith(watch);
      assert.deepEqual([...watch.state], [...fresh.state]);
      assert.deepEqual(watch.state.get(known.identity)?.endpoints, ['http://before']);
      assert.deepEqual(watch.state.get(found.identity)?.endpoints, ['http://3']);
      assert.ok(!watch.state.has(lost.identity));
    });
    assert.deepEqual(
      watches.map(({ stats }) => stats.strategy),
      ['proofs', 'hints'],
    );
  });
});
