import assert from 'node:assert/strict';
import type { BlockId, Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, Writer, type Hex } from '../../src/codec/index.ts';
import {
  watchWorkerState,
  type WorkerChange,
  type WorkerEntry,
  type WorkerStateWatch,
} from '../../src/worker-state/index.ts';
import { alice, record, signedEndpoints, testWorker, utf8, type TestWorker } from '../chain/support.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { endpointList, endpointsKey, twoxKey } from '../support/genesis-spec.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';

const gatekeeperKey = storagePrefix('PhalaRegistry', 'Gatekeeper');
const workersPrefix = storagePrefix('PhalaRegistry', 'Workers');
const workers = 20;

/** Value of `Gatekeeper`. */
function gatekeepers(...ids: readonly Hex[]): Hex {
  const writer = new Writer().compactLength(ids.length);
  return `0x${toHex(writer.finish()).slice(2)}${ids.map((id) => id.slice(2)).join('')}`;
}

/** Value of `Endpoints`. */
function list(...texts: readonly Uint8Array[]): Hex {
  const writer = new Writer().u8(0).compactLength(texts.length);
  for (const text of texts) writer.bytes(text);
  return toHex(writer.finish());
}

for (const verify of [true, false])
  describeOnChains(`watchWorkerState of any chain, by ${verify ? 'proofs' : 'hints'}`, { workers }, (node) => {
    const { proxy, connect } = useEndpoints(() => node.ws);
    let chain: Chain;
    beforeEach(async () => {
      chain = await connect([node.ws]);
    });

    const register = ({ identity, ecdhKey }: TestWorker): Promise<unknown> =>
      chain.submit([{ kind: 'register-worker', identity, ecdhKey }], alice, { waitFor: 'finalized' });

    it('begins with a snapshot at one block', async () => {
      await using watch = watchWorkerState(chain, { verify });
      await watch.ready;
      const { at } = watch.state;
      assert.equal((await chain.headAt(at.block))?.hash, at.hash);
      await watch.verified;
      assert.equal(watch.stats.strategy, verify ? 'proofs' : 'hints');
      assert.deepEqual(
        Array.from(watch.state, ([id, { endpoints }]) => [id, endpoints]),
        node.workers.map(({ identity, endpoints }) => [identity, endpoints]),
      );
      for (const { identity, endpoints } of node.workers)
        assert.deepEqual(
          watch.state.byEndpoint(endpoints[0]!).map((entry) => entry.identity),
          [identity],
        );
    });

    it('goes on iterating over the block where it began while the next ones are applied', async () => {
      await using watch = watchWorkerState(chain, { verify });
      await watch.ready;
      const listed = (): Hex[] => Array.from(watch.state, ([id]) => id);
      const before = listed();
      const worker = testWorker(40);
      const ids: Hex[] = [];
      for (const [id] of watch.state) {
        if (ids.length === 5) {
          await register(worker);
          await until(() => watch.state.has(worker.identity));
        }
        ids.push(id);
      }
      assert.deepEqual(ids, before);
      assert.deepEqual(listed(), [...before, worker.identity].sort());
    });

    it('is a map by identity', async () => {
      await using watch = watchWorkerState(chain, { verify });
      await watch.ready;
      const { state } = watch;
      const map = new Map(state);
      assert.ok(map.size > 0);
      const visited = new Map<Hex, WorkerEntry>();
      state.forEach(function (this: Map<Hex, WorkerEntry>, entry, id, whole) {
        assert.equal(whole, state);
        this.set(id, entry);
      }, visited);
      assert.deepEqual([state.size, visited], [map.size, map]);
      assert.deepEqual([...state.keys()], [...map.keys()]);
      assert.deepEqual([...state.values()], [...map.values()]);
      assert.deepEqual([...state.entries()], [...map]);
      for (const [id, entry] of map) assert.deepEqual([state.has(id), state.get(id)], [true, entry]);
    });

    it('tells of every block it came to show, once and in order, also of those without a change, and over cuts', async () => {
      const way = await proxy();
      const watch = watchWorkerState(await connect([way.ws]), { verify });
      const shown: BlockId[] = [];
      const ended = new Promise<void>((resolve) => {
        watch.at$.subscribe({
          next: (at) => {
            assert.deepEqual(at, watch.state.at);
            shown.push({ number: at.block, hash: at.hash });
          },
          complete: resolve,
        });
      });
      await watch.ready;
      const first = watch.state.at.block + 1;
      for (let cuts = 0; cuts < 3; cuts++) {
        const { number } = await node.grow(3);
        await until(() => (shown.at(-1)?.number ?? 0) >= number);
        way.cut();
      }
      await watch.stop();
      await ended;
      const made = await Promise.all(shown.map(async (_, i) => (await chain.headAt(first + i))?.hash));
      assert.deepEqual(
        shown,
        made.map((hash, i) => ({ number: first + i, hash })),
      );
    });

    it('misses nothing over cuts', async () => {
      const way = await proxy();
      const worker = testWorker(41);
      await using watch = watchWorkerState(await connect([way.ws]), { verify });
      using changes = record(watch.changes$);
      await watch.ready;
      await register(worker);
      const lists = ['http://0', 'http://1', 'http://2', 'http://3'];
      for (const url of lists) {
        way.cut();
        const signed = await signedEndpoints(chain, worker, [url]);
        await chain.submit([{ kind: 'update-worker-endpoint', ...signed }], alice, { waitFor: 'finalized' });
      }
      await changes.until(({ length }) => length === 1 + lists.length);
      const seen = changes.values.map((change) => change.type !== 'invalid-record' && change.worker.endpoints);
      assert.deepEqual(seen, [[], ...lists.map((url) => [url])]);
      assert.deepEqual(watch.state.get(worker.identity)?.endpoints, ['http://3']);
    });

    const quiet = verify ? ['state_getReadProof'] : ['chain_getBlock', 'state_queryStorageAt'];
    it(`asks of a block without a change for ${quiet.join(' and ')}, once`, async () => {
      const way = await proxy();
      await using watch = watchWorkerState(await connect([way.ws]), { verify });
      await watch.verified;
      const asked: (readonly [method: string, params: string])[] = [];
      way.hold = (method, params) => {
        asked.push([method, JSON.stringify(params)]);
        return undefined;
      };
      const shown: Hex[] = [];
      watch.at$.subscribe(({ hash }) => shown.push(hash));
      // The first was on its way already, perhaps.
      while (shown.length <= 10) await node.grow();
      for (const hash of shown.slice(1, 11)) {
        const ofIt = asked.filter(([method, params]) => params.includes(hash) && method !== 'chain_getHeader');
        assert.deepEqual(ofIt.map(([method]) => method).sort(), quiet);
      }
    });

    const hostile: readonly (readonly [string, Hex, RegExp, number])[] = [
      ['10 000 junk records', list(...Array.from({ length: 10_000 }, (_, i) => utf8(`ecdh:${i}`))), /9992 string/, 9],
      [
        'a giant list of URLs',
        list(...Array.from({ length: 30_000 }, (_, i) => utf8(`http://${i}`))),
        /29936 string/,
        1,
      ],
      ['a URL of a megabyte', list(utf8(`http://${'x'.repeat(1e6)}`), utf8('http://a')), /1 string/, 1],
      ['bytes that are not UTF-8', list(Uint8Array.of(0x68, 0xff, 0xfe), utf8('http://a')), /not UTF-8/, 1],
      ['a list cut off', `0x0008${toHex(utf8('abc')).slice(2)}`, /can not be decoded/, 1],
      ['a list of a kind that nobody knows', '0x0704', /can not be decoded/, 1],
    ];
    for (const [what, value, reason, reports] of hostile)
      it(`bounds and reports ${what} of one worker, others unaffected`, async () => {
        const { identity: hostileId, endpoints: usual } = node.workers[3]!;
        const key = endpointsKey(hostileId);
        const others = (watch: WorkerStateWatch) => [...watch.state].filter(([id]) => id !== hostileId);
        const check = (watch: WorkerStateWatch, changes: readonly WorkerChange[]): void => {
          const reported = changes.filter(({ type }) => type === 'invalid-record');
          assert.equal(reported.length, reports);
          assert.ok(reported.some((change) => change.type === 'invalid-record' && reason.test(change.reason)));
          for (const change of reported) assert.ok(change.type === 'invalid-record' && change.identity === hostileId);
          const { endpoints = [] } = watch.state.get(hostileId) ?? {};
          assert.ok(endpoints.length <= 64 && endpoints.join('').length < 64 * 2_048);
        };
        await using live = watchWorkerState(chain, { verify, reconcile: { everyBlocks: 1 } });
        using seen = record(live.changes$);
        await live.verified;
        const before = others(live);
        await node.setStorage([[key, value]]);
        await seen.until(({ length }) => length >= reports + 1);
        check(live, seen.values);
        assert.deepEqual(others(live), before);
        // One that finds it there is told too, even where somebody looked first.
        await using anew = watchWorkerState(chain, { verify });
        using found = record(anew.changes$);
        await anew.ready;
        anew.state.get(hostileId);
        await anew.verified;
        check(anew, found.values);
        assert.deepEqual(others(anew), before);
        await node.setStorage([[key, endpointList(usual)]]);
      });

    it('finds what no event and no call told: by the next block, or by a reconcile that reports it', async () => {
      const worker = testWorker(1);
      const { identity } = worker;
      await register(worker);
      await node.setStorage([[gatekeeperKey, gatekeepers(identity)]]);
      await using watch = watchWorkerState(chain, { verify, reconcile: { everyBlocks: 3 } });
      using changes = record(watch.changes$);
      await watch.ready;
      assert.equal(watch.state.get(identity)?.gatekeeper, true);
      const gone = node.workers[0]!.identity;
      await node.setStorage([
        [gatekeeperKey, null],
        [`${workersPrefix}${twoxKey(gone)}`, null],
      ]);
      await node.grow(3);
      await changes.until(({ length }) => length === 2);
      assert.deepEqual(new Set(changes.values.map(({ type }) => type)), new Set(['gatekeeper', 'removed']));
      assert.equal(watch.state.get(identity)?.gatekeeper, false);
      assert.ok(!watch.state.has(gone));
      await until(() => verify || watch.stats.missed > 0);
      assert.equal(watch.stats.missed, verify ? 0 : 2);
      assert.equal(watch.stats.reconciles > 0, !verify);
    });
  });
