import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { rangeOf } from '../../src/store/keys.ts';
import { openLmdbStore, openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import {
  watchWorkerState,
  type WatchOptions,
  type WorkerChange,
  type WorkerStateWatch,
} from '../../src/worker-state/index.ts';
import { alice, openWallet, record, recordOf, signedEndpoints, testKey, testWorker } from '../chain/support.ts';
import { temporaryFolder } from '../support/entities.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { replacing } from '../support/replacing.ts';
import type { RpcProxy } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';

const count = 300;
const gatekeeperKey = storagePrefix('PhalaRegistry', 'Gatekeeper');

/** Hex of its SCALE encoding, as in metadata. */
function scaleText(text: string): string {
  return toHex(Uint8Array.of(text.length << 2, ...new TextEncoder().encode(text))).slice(2);
}

function printed(watch: WorkerStateWatch): string[] {
  return [...watch.state].map((entry) =>
    JSON.stringify(entry, (_, value: unknown) => (value instanceof Uint8Array ? toHex(value) : value)),
  );
}

for (const verify of [true, false])
  describeOnChains(`WorkerState after a restart, by ${verify ? 'proofs' : 'hints'}`, { workers: count }, (node) => {
    const { proxy, connect } = useEndpoints(() => node.ws);
    let folder: Awaited<ReturnType<typeof temporaryFolder>>;
    let store: TransactionalStore;
    let way: RpcProxy;
    let chain: Chain;
    let seed = 0;
    beforeEach(async () => {
      folder = await temporaryFolder();
      store = await openLmdbStore({ path: join(folder.path, 'store') });
      way = await proxy();
      chain = await connect([way.ws]);
    });
    afterEach(async () => {
      await store.close();
      await folder.remove();
    });
    const started = async (options: WatchOptions = {}): Promise<WorkerStateWatch> => {
      const watch = watchWorkerState(chain, { verify, store, ...options });
      await watch.verified;
      return watch;
    };
    /** A worker with a record, and one that is a gatekeeper from now on. */
    const change = async (): Promise<Hex> => {
      const worker = testWorker(++seed);
      const { identity, ecdhKey } = worker;
      await chain.submit([{ kind: 'register-worker', identity, ecdhKey }], alice, { waitFor: 'finalized' });
      const list = await signedEndpoints(chain, worker, [
        'http://new',
        recordOf(worker, node.genesisHash, 1, testKey(5)),
      ]);
      await chain.submit([{ kind: 'update-worker-endpoint', ...list }], alice, { waitFor: 'finalized' });
      await using wallet = await openWallet(node.ws);
      const { sudo, phalaRegistry } = wallet.api.tx;
      await wallet.post(sudo.sudo(phalaRegistry.registerGatekeeper(identity)), wallet.alice);
      await node.grow();
      return identity;
    };
    /** How often a method was asked for meanwhile. */
    const asked = async (work: () => Promise<unknown>): Promise<(method: string) => number> => {
      const before = new Map(way.asked);
      await work();
      const after = new Map(way.asked);
      return (method) => (after.get(method) ?? 0) - (before.get(method) ?? 0);
    };

    it('reads next to nothing where nothing changed', async () => {
      const first = await started();
      const shown = printed(first);
      await first.stop();
      let again: WorkerStateWatch | undefined;
      const times = await asked(async () => (again = await started()));
      assert.deepEqual(printed(again!), shown);
      assert.equal(times('state_getKeysPaged'), 0);
      assert.equal(times('state_getReadProof'), verify ? 1 : 0);
      if (verify) assert.equal(times('state_queryStorageAt'), 0);
      await again!.stop();
    });

    it('reads what changed meanwhile, and goes on with every change', async () => {
      const first = await started();
      const { size } = first.state;
      await first.stop();
      const identity = await change();
      await node.grow(3);
      let again: WorkerStateWatch | undefined;
      const times = await asked(async () => (again = await started()));
      await using watch = again!;
      assert.equal(times('state_getKeysPaged'), 0);
      await using fresh = await started({ store: openMemoryStore() });
      assert.deepEqual(printed(watch), printed(fresh));
      assert.equal(watch.state.size, size + 1);
      assert.deepEqual([watch.state.get(identity)?.current.epoch, watch.state.get(identity)?.gatekeeper], [1, true]);
      using changes = record(watch.changes$);
      const next = await change();
      await changes.until((all) => all.some(({ type }) => type === 'gatekeeper'));
      assert.deepEqual(
        changes.values.map(({ type }) => type),
        ['added', 'changed', 'gatekeeper'],
      );
      assert.ok(watch.state.has(next));
    });

    it('writes next to nothing for blocks without a change', async () => {
      const sizes: number[] = [];
      const counting = replacing(store, {
        commit: (writes, expected) => {
          const lengths = writes.map(({ key, value }) => key.length + (value?.length ?? 0));
          sizes.push(lengths.reduce((sum, length) => sum + length, 0));
          return store.commit(writes, expected);
        },
      });
      await using watch = await started({ store: counting, saveEveryMs: 0 });
      // All of it with the first block, and with the next what it takes to see that a later one changed nothing.
      for (let block = 1; block <= 3; block++) {
        await node.grow();
        await until(() => sizes.length >= block);
      }
      const [first = 0] = sizes.splice(0);
      for (let block = 0; block < 5; block++) {
        const { number } = await node.grow();
        await until(() => watch.state.at.block >= number);
      }
      await until(() => sizes.length >= 5);
      assert.ok(first > 10_000 && Math.max(...sizes) < 400, `${first} bytes, then ${sizes.join()}`);
    });

    it('after a crash goes on from what was stored last', async () => {
      const crashed = await started({ saveEveryMs: 1e9 });
      const identity = await change();
      await until(() => crashed.state.get(identity)?.gatekeeper === true);
      await using again = await started();
      await using fresh = await started({ store: openMemoryStore() });
      assert.deepEqual(printed(again), printed(fresh));
      await crashed.stop();
    });

    it('finds what nothing told of meanwhile: at once by proofs, by hints when the next reconcile is due', async () => {
      const everyBlocks = 20;
      const { identity } = node.workers[7]!;
      const { number: earliest } = await node.setStorage([[gatekeeperKey, null]]);
      const first = await started({ reconcile: { everyBlocks } });
      const { block: latest } = first.state.at;
      await first.stop();
      await node.setStorage([[gatekeeperKey, `0x04${identity.slice(2)}`]]);
      await using again = await started({ reconcile: { everyBlocks } });
      using changes = record(again.changes$);
      const isFound = (): boolean => again.state.get(identity)?.gatekeeper === true;
      // Counted from the reconcile before the restart, which takes its time where the chain goes on by itself.
      const isDue = again.state.at.block >= earliest + everyBlocks;
      if (verify) assert.ok(isFound());
      else if (!isDue) {
        assert.ok(!isFound());
        while (!isFound()) {
          const { number } = await node.grow();
          await until(() => again.state.at.block >= number);
        }
        const isIt = ({ type }: WorkerChange): boolean => type === 'gatekeeper';
        const { block } = (await changes.until((all) => all.some(isIt))).find(isIt)!;
        assert.ok(block >= earliest + everyBlocks && block <= latest + everyBlocks, `${block}`);
      }
      await until(isFound);
      assert.equal(again.stats.missed, verify ? 0 : 1);
    });

    it('stores what changed now and then, as one', async () => {
      await using running = await started({ saveEveryMs: 0 });
      const identity = await change();
      await until(() => running.state.get(identity)?.gatekeeper === true);
      const { number } = await node.grow();
      await until(() => running.state.at.block >= number);
      const times = await asked(async () => (await started()).stop());
      assert.equal(times('state_getKeysPaged'), 0);
    });

    it('leaves a store that another took over', async () => {
      const first = await started({ saveEveryMs: 0 });
      const second = await started({ saveEveryMs: 0 });
      const identity = await change();
      await until(() => [first, second].every(({ state }) => state.get(identity)?.gatekeeper === true));
      await first.stop();
      await second.stop();
      await using again = await started();
      await using fresh = await started({ store: openMemoryStore() });
      assert.deepEqual(printed(again), printed(fresh));
    });

    it('reads all where what is stored is damaged', async () => {
      const first = await started();
      const shown = printed(first);
      await first.stop();
      for (const prefix of ['worker-state/head/', 'worker-state/memory/', 'worker-state/pages/'])
        for (const damage of [(bytes: Uint8Array) => bytes.subarray(0, 60), () => new Uint8Array(3).fill(1)]) {
          const [entry] = await store.entries({ ...rangeOf(prefix), limit: 1 });
          assert.ok(entry);
          await store.commit([{ key: entry[0], value: damage(entry[1]) }]);
          const again = await started();
          assert.deepEqual(printed(again), shown);
          await again.stop();
        }
    });

    for (const before of [verify ? undefined : false, true])
      it(`reads all where several nodes are to agree and it was read on the word of one (verify: ${before})`, async () => {
        const rename = (metadata: string): string =>
          metadata
            .replaceAll(scaleText('ecdh_pubkey'), '@')
            .replaceAll(scaleText('pubkey'), scaleText('ecdh_pubkey'))
            .replaceAll('@', scaleText('pubkey'));
        way.alter = (method, _, result) => (method === 'state_getMetadata' ? rename(String(result)) : result);
        const believing = await connect([way.ws]);
        const { identity: id, ecdh } = node.workers[3]!;
        const first = watchWorkerState(believing, { store, ...(before === undefined ? {} : { verify: before }) });
        await first.ready;
        assert.equal(toHex(first.state.get(id)!.current.ecdhKey), id, 'it believes the node');
        await first.stop();
        way.alter = (_method, _params, result) => result;
        const wary = await connect([way.ws, node.ws]);
        const again = watchWorkerState(wary, { store, verify: true });
        await again.ready;
        assert.equal(again.stats.trust, 'quorum');
        assert.equal(toHex(again.state.get(id)!.current.ecdhKey), ecdh);
        await again.stop();
      });

    it('reads all where it was read in another way before', async () => {
      const first = await started({ verify: !verify });
      const shown = printed(first);
      await first.stop();
      let again: WorkerStateWatch | undefined;
      const times = await asked(async () => (again = await started()));
      assert.ok(times('state_getKeysPaged') > 0);
      assert.deepEqual(printed(again!), shown);
      await again!.stop();
    });
  });
