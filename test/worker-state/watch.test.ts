import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { watchWorkerState, type WorkerChange } from '../../src/worker-state/index.ts';
import {
  alice,
  openWallet,
  record,
  recordOf,
  signedEndpoints,
  testKey,
  testWorker,
  withCode,
  type TestWorker,
} from '../chain/support.ts';
import { inventBranch } from '../support/invented-branch.ts';
import { Refusal, startRpcProxy } from '../support/rpc-proxy.ts';
import { until } from '../support/until.ts';
import { testWatch } from './watch.compliance.ts';

const gatekeeperKey = storagePrefix('PhalaRegistry', 'Gatekeeper');
const workersPrefix = storagePrefix('PhalaRegistry', 'Workers');

const types = (changes: readonly WorkerChange[]): string => changes.map(({ type }) => type).join(' ');

for (const verify of [true, false])
  describe(`watchWorkerState by ${verify ? 'proofs' : 'hints'}`, () => {
    let dev: DevChain;
    let chain: Chain;
    const worker = testWorker(1);

    beforeEach(async () => {
      dev = await startDevChain({ workers: 20 });
      chain = await connectChain({ endpoints: [dev.ws] });
    });
    afterEach(async () => {
      await chain.stop();
      await dev.stop();
    });

    testWatch(verify, () => ({ ws: dev.ws, chain }));

    const quiet = verify ? { state_getReadProof: 1 } : { state_queryStorageAt: 1, chain_getBlock: 1 };
    it(`asks of a block without a change for ${Object.keys(quiet).join(' and ')}, once, and for nothing else`, async () => {
      await using proxy = await startRpcProxy(dev.ws);
      await using through = await connectChain({ endpoints: [proxy.ws] });
      await using watch = watchWorkerState(through, { verify });
      await watch.verified;
      const next = async (): Promise<void> => {
        await dev.newBlock();
        await until(() => watch.state.at.hash === dev.head.hash);
      };
      await next();
      const before = new Map(proxy.asked);
      for (let block = 0; block < 10; block++) await next();
      const asked = Array.from(proxy.asked, ([method, count]) => [method, count - (before.get(method) ?? 0)] as const);
      assert.deepEqual(
        Object.fromEntries(asked.filter(([, count]) => count > 0)),
        Object.fromEntries(Object.entries(quiet).map(([method, count]) => [method, 10 * count])),
      );
      assert.equal(watch.stats.blocks, 11);
    });

    it('goes on from a later block where the state of one is gone', async () => {
      await using pruned = await startDevChain();
      await using client = await connectChain({ endpoints: [pruned.ws] });
      const warnings: string[] = [];
      const logger = { debug: () => undefined, warn: (_: object, text: string) => void warnings.push(text) };
      await using watch = watchWorkerState(client, { verify, logger });
      using changes = record(watch.changes$);
      await watch.ready;
      pruned.pauseSockets();
      await pruned.newBlock({ count: 5 });
      pruned.pruneBefore(pruned.head.number);
      pruned.resumeSockets();
      await client.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
      await changes.until(({ length }) => length === 1);
      assert.ok(watch.state.has(worker.identity));
      assert.ok(warnings.some((text) => text.includes('state of blocks is gone')));
    });

    it('passes over all blocks whose state is gone at once, and says how many they were', async () => {
      await using pruned = await startDevChain();
      await using proxy = await startRpcProxy(pruned.ws);
      await using client = await connectChain({ endpoints: [proxy.ws] });
      const warnings: object[] = [];
      const logger = { debug: () => undefined, warn: (facts: object) => void warnings.push(facts) };
      await using watch = watchWorkerState(client, { verify, logger });
      using changes = record(watch.changes$);
      await watch.ready;
      const shown: number[] = [];
      watch.at$.subscribe(({ block }) => shown.push(block));
      await pruned.newBlock();
      await until(() => shown.length === 1);
      const { number: before } = pruned.head;
      proxy.isClosed = true;
      proxy.cut();
      await using posting = await connectChain({ endpoints: [pruned.ws] });
      await pruned.newBlock({ count: 150 });
      await posting.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
      await pruned.newBlock({ count: 30 });
      const kept = pruned.head.number - 9;
      pruned.pruneBefore(kept);
      const reads = verify ? 'state_getReadProof' : 'chain_getBlock';
      const asked = proxy.asked.get(reads) ?? 0;
      proxy.isClosed = false;
      await until(() => watch.state.at.hash === pruned.head.hash);
      assert.deepEqual(
        shown.slice(1),
        Array.from({ length: 10 }, (_, i) => kept + i),
      );
      assert.equal(watch.stats.passedOver, kept - before - 1);
      assert.ok(warnings.some((facts) => 'last' in facts && facts.last === kept - 1));
      assert.ok(watch.state.has(worker.identity));
      assert.equal(types(changes.values), 'added');
      assert.ok((proxy.asked.get(reads) ?? 0) - asked < 30, 'few of those that are gone are asked for');
    });

    it('passes over no block for a made-up finalized head, told once of two endpoints while states are gone', async () => {
      await using pruned = await startDevChain();
      const branch = inventBranch({ number: 9_000_000, hash: `0x${'12'.repeat(32)}` });
      branch.next();
      const [fake] = branch.hashes;
      let isGone = false;
      let lies = 0;
      await using liar = await startRpcProxy(pruned.ws, (method, [hash], result) => {
        if (method === 'chain_getFinalizedHead' && isGone) return (lies++, fake);
        return method === 'chain_getHeader' ? (branch.header(hash as Hex) ?? result) : result;
      });
      await using honest = await startRpcProxy(pruned.ws);
      const backoff = { minMs: 10, maxMs: 50 };
      await using client = await connectChain({ endpoints: [liar.ws, honest.ws], backoff, quorum: verify ? 1 : 2 });
      await using watch = watchWorkerState(client, { verify });
      await watch.ready;
      await pruned.newBlock();
      await until(() => watch.state.at.hash === pruned.head.hash);
      honest.isClosed = liar.isClosed = true;
      for (const each of [honest, liar]) each.cut();
      await pruned.newBlock({ count: 20 });
      pruned.pruneBefore(pruned.head.number - 9);
      liar.hold = (method) => {
        isGone ||= method === 'state_getReadProof' || method === 'state_queryStorageAt';
        return undefined;
      };
      liar.isClosed = false;
      await until(() => watch.stats.passedOver > 0);
      liar.isClosed = true;
      honest.isClosed = false;
      liar.cut();
      await pruned.newBlock();
      await until(() => watch.state.at.hash === pruned.head.hash);
      assert.ok(lies > 0, 'it lied');
    });

    it('lets go of its signal when it fails', async () => {
      await dev.setStorage([[gatekeeperKey, '0xff']]);
      const { signal } = new AbortController();
      await using watch = watchWorkerState(chain, { verify, signal });
      await assert.rejects(watch.ready, withCode('bad-storage'));
      assert.equal(getEventListeners(signal, 'abort').length, 0);
    });

    it('stops more than once, ends its stream and says so to who still waits', async () => {
      const watch = watchWorkerState(chain, { verify });
      using changes = record(watch.changes$);
      await Promise.all([watch.stop(), watch.stop()]);
      await assert.rejects(watch.ready, withCode('worker-state-stopped'));
      assert.ok(changes.isComplete);
      const stopping = new AbortController();
      const other = watchWorkerState(chain, { verify, signal: stopping.signal });
      await other.ready;
      using more = record(other.changes$);
      stopping.abort();
      await other.stop();
      assert.ok(more.isComplete);
    });

    it('fails where the chain can not be read', async () => {
      await dev.setStorage([[gatekeeperKey, '0xff']]);
      await using watch = watchWorkerState(chain, { verify });
      using changes = record(watch.changes$);
      await assert.rejects(watch.ready, withCode('bad-storage', 'Gatekeeper'));
      assert.ok(changes.failure instanceof Error);
    });
  });

for (const verify of [true, false])
  describe(`watchWorkerState with best, by ${verify ? 'proofs' : 'hints'}`, () => {
    it('follows reorgs and takes changes back, but no epoch', async () => {
      await using dev = await startDevChain({ finalityLag: 10 });
      await using chain = await connectChain({ endpoints: [dev.ws] });
      const [worker, other] = [testWorker(1), testWorker(2)];
      const register = ({ identity, ecdhKey }: TestWorker): Promise<unknown> =>
        chain.submit([{ kind: 'register-worker', identity, ecdhKey }], alice);
      await register(worker);
      const before = dev.head.number;
      await using watch = watchWorkerState(chain, { verify, finality: 'best' });
      using changes = record(watch.changes$);
      await watch.ready;
      const endpoints = ['http://a', recordOf(worker, chain.genesisHash, 1, testKey(5))];
      await chain.submit(
        [{ kind: 'update-worker-endpoint', ...(await signedEndpoints(chain, worker, endpoints)) }],
        alice,
      );
      await register(other);
      await changes.until(({ length }) => length === 2);
      await dev.reorg(before);
      await changes.until(({ length }) => length === 4);
      assert.equal(types(changes.values), 'changed added removed changed');
      assert.ok(!watch.state.has(other.identity));
      assert.deepEqual(watch.state.get(worker.identity)?.endpoints, []);
      assert.equal(watch.state.get(worker.identity)?.current.epoch, 1);
      assert.equal(watch.state.at.block, before);
      await dev.newBlock();
      await register(other);
      await changes.until(({ length }) => length === 5);
      assert.ok(watch.state.has(other.identity));
      assert.equal(watch.stats.missed, 0);
    });

    it('comes to no block by taking back one that it never showed', async () => {
      await using dev = await startDevChain({ finalityLag: 10 });
      const unread = new Set<unknown>();
      let isGone = true;
      await using proxy = await startRpcProxy(dev.ws, (_method, params, result) =>
        isGone && params.some((hash) => unread.has(hash)) ? new Refusal('State already discarded', 4_003) : result,
      );
      let held: Promise<void> | undefined;
      proxy.hold = (method) => (method.startsWith('state_') ? held : undefined);
      await using chain = await connectChain({ endpoints: [proxy.ws] });
      await using posting = await connectChain({ endpoints: [dev.ws] });
      const worker = testWorker(1);
      await using watch = watchWorkerState(chain, { verify, finality: 'best' });
      await watch.ready;
      const shown: string[] = [];
      watch.at$.subscribe(({ hash }) => shown.push(hash));
      using changes = record(watch.changes$);
      const before = watch.state.at;
      let release: () => void = () => undefined;
      held = new Promise((resolve) => (release = resolve));
      await posting.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
      unread.add(dev.head.hash);
      await dev.newBlock();
      unread.add(dev.head.hash);
      release();
      held = undefined;
      await until(() => watch.stats.blocks >= 2);
      isGone = false;
      await dev.reorg(before.block);
      await dev.newBlock({ count: 3 });
      await until(() => watch.state.at.hash === dev.head.hash);
      assert.ok(!shown.some((hash) => unread.has(hash)));
      assert.deepEqual(changes.values, []);
    });

    it('takes back what it found in a block without being told, too', async () => {
      await using dev = await startDevChain({ finalityLag: 20, workers: 4 });
      await using chain = await connectChain({ endpoints: [dev.ws] });
      await using watch = watchWorkerState(chain, { verify, finality: 'best', reconcile: { everyBlocks: 4 } });
      await watch.ready;
      const shown = (): Promise<unknown> => until(() => watch.state.at.hash === dev.head.hash);
      await dev.newBlock({ count: 3 });
      await shown();
      const before = dev.head;
      const gone = dev.workers.at(0)!.identity;
      await using wallet = await openWallet(dev.ws);
      const keys = await wallet.api.rpc.state.getKeysPaged(workersPrefix, 1_000);
      const key = keys.map((each) => each.toHex()).find((each) => each.endsWith(gone.slice(2)));
      // The block in which a reconcile is due.
      await dev.setStorage([[key!, null]]);
      await shown();
      assert.ok(!watch.state.has(gone));
      await dev.reorg(before.number);
      await until(() => watch.state.at.hash === before.hash);
      assert.ok(watch.state.has(gone), 'it is there at this block');
    });

    it('names no block but the one that it shows, where a reorg takes that of its snapshot', async () => {
      await using dev = await startDevChain({ finalityLag: 10 });
      await using chain = await connectChain({ endpoints: [dev.ws] });
      const worker = testWorker(1);
      await chain.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
      await using watch = watchWorkerState(chain, { verify, finality: 'best' });
      await watch.ready;
      const taken = watch.state.at;
      assert.deepEqual([taken.hash, watch.state.has(worker.identity)], [dev.head.hash, true]);
      const shown: boolean[] = [];
      watch.at$.subscribe(() => shown.push(watch.state.has(worker.identity)));
      await dev.reorg(taken.block - 1);
      await dev.newBlock({ count: 2 });
      await until(() => watch.state.at.hash === dev.head.hash);
      assert.ok(shown.length > 0 && !shown.includes(true), String(shown));
    });
  });
