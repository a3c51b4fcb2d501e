import assert from 'node:assert/strict';
import type { Chain } from '../../src/chain/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { EpochStore } from '../../src/worker-state/epoch-store.ts';
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
import { until } from '../support/until.ts';

/** A node with the dev runtime and a connection to it, the same for all tests of a suite or one for each. */
export interface WatchedChain {
  readonly ws: string;
  readonly chain: Chain;
}

/**
 * What a watch promises whichever way it learns of changes. `node` is called in each test; each has a worker of its own.
 */
export function testWatch(verify: boolean, node$: () => WatchedChain): void {
  const types = (changes: readonly WorkerChange[]): string => changes.map(({ type }) => type).join(' ');
  let node: WatchedChain;
  let chain: Chain;
  let worker: TestWorker;
  let seed = 0;
  const nextWorker = (): TestWorker => testWorker(++seed);

  const register = (who = worker): Promise<unknown> =>
    chain.submit([{ kind: 'register-worker', identity: who.identity, ecdhKey: who.ecdhKey }], alice, {
      waitFor: 'finalized',
    });
  const publish = async (endpoints: readonly string[]): Promise<unknown> =>
    chain.submit([{ kind: 'update-worker-endpoint', ...(await signedEndpoints(chain, worker, endpoints)) }], alice, {
      waitFor: 'finalized',
    });
  const proof = (epoch: number, key = testKey(epoch)): string => recordOf(worker, chain.genesisHash, epoch, key);

  describe('as promised of both ways', () => {
    beforeEach(() => {
      node = node$();
      ({ chain } = node);
      worker = nextWorker();
    });

    it('tells of registration, endpoints, rotation and gatekeepers', async () => {
      await using watch = watchWorkerState(chain, { verify });
      using changes = record(watch.changes$);
      await watch.ready;
      await register();
      await publish(['http://a', proof(0, worker.ecdhKey)]);
      await publish(['http://a', proof(0, worker.ecdhKey), proof(1)]);
      await using wallet = await openWallet(node.ws);
      const { tx } = wallet.api;
      await wallet.post(tx.sudo.sudo(tx.phalaRegistry.registerGatekeeper(worker.identity)), wallet.alice);
      await wallet.post(tx.sudo.sudo(tx.phalaRegistry.unregisterGatekeeper(worker.identity)), wallet.alice);
      await changes.until(({ length }) => length >= 5);
      assert.equal(types(changes.values), 'added changed changed gatekeeper gatekeeper');
      const seen = changes.values.map((change) => {
        assert.ok(change.type !== 'invalid-record');
        const { current, gatekeeper, endpoints } = change.worker;
        return `${current.epoch} ${current.proven} ${gatekeeper} ${endpoints.join()}`;
      });
      assert.deepEqual(seen, [
        '0 false false ',
        '0 true false http://a',
        '1 true false http://a',
        '1 true true http://a',
        '1 true false http://a',
      ]);
      assert.equal(watch.state.byEcdhKey(testKey(1))?.identity, worker.identity);
      assert.equal(watch.state.byEcdhKey(worker.ecdhKey)?.identity, worker.identity);
      assert.equal(watch.stats.missed, 0);
    });

    it('shows all of a block at once', async () => {
      await using watch = watchWorkerState(chain, { verify });
      await watch.ready;
      const before = watch.state.size;
      const other = nextWorker();
      const sizes: number[] = [];
      const subscription = watch.changes$.subscribe(() => sizes.push(watch.state.size));
      using changes = record(watch.changes$);
      const calls = [worker, other].map(({ identity, ecdhKey }) => ({
        kind: 'register-worker' as const,
        identity,
        ecdhKey,
      }));
      await chain.submit(calls, alice);
      await changes.until(({ length }) => length === 2);
      assert.deepEqual(sizes, [before + 2, before + 2]);
      subscription.unsubscribe();
    });

    it('is not taken back to an older epoch by a replayed payload', async () => {
      await register();
      const old = await signedEndpoints(chain, worker, ['http://old', proof(1)]);
      await using watch = watchWorkerState(chain, { verify });
      using changes = record(watch.changes$);
      await watch.ready;
      await publish(['http://new', proof(2)]);
      await chain.submit([{ kind: 'update-worker-endpoint', ...old }], alice);
      await changes.until((all) => all.length === 2);
      const entry = watch.state.get(worker.identity)!;
      assert.deepEqual(entry.endpoints, ['http://old']);
      assert.deepEqual(
        entry.epochs.map(({ epoch }) => epoch),
        [0, 1, 2],
      );
      assert.equal(entry.current.epoch, 2);
    });

    it('is not taken back over a restart, with a store', async () => {
      await register();
      await using store = openMemoryStore();
      await publish([proof(2)]);
      for (const when of ['snapshot', 'replayed']) {
        await using watch = watchWorkerState(chain, { verify, store });
        await watch.verified;
        assert.equal(watch.state.get(worker.identity)?.current.epoch, 2, when);
        if (when === 'snapshot') await publish([proof(1)]);
      }
      await using without = watchWorkerState(chain, { verify });
      await without.ready;
      assert.equal(without.state.get(worker.identity)?.current.epoch, 1);
    });

    it('stores an epoch before it shows it', async () => {
      await register();
      const store = openMemoryStore();
      await using watch = watchWorkerState(chain, { verify, store });
      using changes = record(watch.changes$);
      await watch.ready;
      await store.close();
      await publish([proof(1)]);
      await assert.rejects(
        changes.until(() => false),
        withCode('store-closed'),
      );
      assert.equal(watch.state.get(worker.identity)?.current.epoch, 0);
    });

    it('reports records that do not count, and goes on', async () => {
      const before = (await chain.at((await chain.finalizedHead()).hash).workerIds()).length;
      await register();
      await using watch = watchWorkerState(chain, { verify });
      using changes = record(watch.changes$);
      await watch.ready;
      const junk = Array.from({ length: 50 }, (_, i) => `ecdh:${i}`);
      await publish(['http://a', proof(7), ...junk]);
      await changes.until(({ length }) => length >= 10);
      assert.equal(types(changes.values), `changed${' invalid-record'.repeat(9)}`);
      for (const { block, hash } of changes.values) assert.deepEqual({ block, hash }, watch.state.at);
      assert.equal(watch.state.get(worker.identity)?.current.epoch, 0);
      assert.equal(watch.state.size, before + 1);
    });

    it('verifies all of its snapshot, tells once of what is wrong with it, and has stored what is proven by then', async () => {
      await register();
      await publish(['http://a', proof(1), 'ecdh:junk']);
      await using store = openMemoryStore();
      await using watch = watchWorkerState(chain, { verify, store });
      using changes = record(watch.changes$);
      await watch.verified;
      const ours = changes.values.filter(
        (change) => change.type === 'invalid-record' && change.identity === worker.identity,
      );
      assert.deepEqual(
        ours.map((change) => change.type === 'invalid-record' && change.fault),
        ['ecdh:junk'],
      );
      const stored = await new EpochStore(store, chain.genesisHash).keysOf(worker.identity);
      assert.deepEqual(
        stored.map(({ epoch, proven }) => [epoch, proven]),
        [[1, true]],
      );
    });

    it('lets a slow reader take what happened in steps that lead to the state', async () => {
      await using watch = watchWorkerState(chain, { verify });
      await watch.verified;
      const steps = watch.steps();
      await register();
      for (let i = 0; i < 3; i++) await publish([`http://${i}`]);
      await until(() => watch.state.get(worker.identity)?.endpoints[0] === 'http://2');
      const { value } = await steps.next();
      assert.deepEqual({ block: value?.block, hash: value?.hash }, watch.state.at);
      assert.deepEqual(
        value?.changes.map((change) => change.type),
        ['added'],
      );
      await watch.stop();
      assert.equal((await steps.next()).done, true);
    });
  });
}
