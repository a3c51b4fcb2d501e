import assert from 'node:assert/strict';
import {
  connectChain,
  decodeMark,
  encodeMark,
  idOf,
  rowAt,
  workerFields,
  type Chain,
  type KnownWorkers,
  type WorkersDifference,
  type WorkersMark,
} from '../../../src/chain/index.ts';
import type { Hex } from '../../../src/codec/index.ts';
import { keyPairFromSeed } from '../../../src/crypto/index.ts';
import { startDevChain, type DevChain } from '../../../src/dev-chain/index.ts';
import { alice, openWallet, signedEndpoints, testWorker, type TestWorker, type Wallet } from '../support.ts';

/** Enough that maps are more than one part. */
const count = 60;

/** What a reader keeps, and how often it was asked for all of it. */
class Cache implements KnownWorkers {
  /** Bytes of endpoints, empty where there is no entry, by worker. */
  readonly rows = new Map<Hex, Uint8Array>();
  scans = 0;

  has = (id: Hex): boolean => this.rows.has(id);
  hasEndpoints = (id: Hex): boolean => (this.rows.get(id)?.length ?? 0) > 0;
  ids = (): Iterable<Hex> => {
    this.scans += 1;
    return this.rows.keys();
  };

  apply({ infos, endpoints }: WorkersDifference): void {
    for (const [id, info] of infos) {
      if (info === undefined) this.rows.delete(id);
      else if (!this.rows.has(id)) this.rows.set(id, new Uint8Array(0));
    }
    for (const [id, list] of endpoints) if (this.rows.has(id)) this.rows.set(id, list);
  }
}

describe('changes of WorkerState by proofs', () => {
  let dev: DevChain;
  let chain: Chain;
  let wallet: Wallet;
  let cache: Cache;
  let mark: WorkersMark;
  before(async () => {
    dev = await startDevChain({ workers: count });
    chain = await connectChain({ endpoints: [dev.ws] });
    wallet = await openWallet(dev.ws);
    for (const worker of workers) await register(worker);
  });
  beforeEach(async () => {
    ({ cache, mark } = await snapshot());
  });
  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await chain.stop();
    await dev.stop();
  });

  const workers = [testWorker(1), testWorker(2), testWorker(3)] as const;
  const [one, two, three] = workers;

  async function snapshot(): Promise<{ cache: Cache; mark: WorkersMark }> {
    const taken = new Cache();
    const read = await chain.provenWorkers.snapshot(await chain.bestHead(), (rows) => {
      for (let i = 0; i < rows.ends.length; i++) {
        const row = rowAt(rows, i);
        if (row !== undefined) taken.rows.set(idOf(row), workerFields(row).endpoints.slice());
      }
    });
    return { cache: taken, mark: read.mark };
  }
  /** Reads on, as after a restart; what comes out must be what a snapshot shows. */
  async function readOn(): Promise<WorkersDifference> {
    const head = await chain.bestHead();
    const difference = await chain.provenWorkers.changes(mark, head, cache);
    assert.ok(difference !== undefined);
    cache.apply(difference);
    assert.equal(await chain.provenWorkers.changes(difference.mark, head, cache), undefined);
    mark = decodeMark(encodeMark(difference.mark));
    const fresh = await snapshot();
    assert.deepEqual(sorted(cache.rows), sorted(fresh.cache.rows));
    assert.deepEqual([...mark.orphans].sort(), [...fresh.mark.orphans].sort());
    return difference;
  }
  const register = ({ identity, ecdhKey }: TestWorker): Promise<unknown> =>
    chain.submit([{ kind: 'register-worker', identity, ecdhKey }], alice);
  const publish = async (worker: Omit<TestWorker, 'ecdhKey'>, endpoints: readonly string[]): Promise<unknown> =>
    chain.submit([{ kind: 'update-worker-endpoint', ...(await signedEndpoints(chain, worker, endpoints)) }], alice);
  const kill = (map: 'workers' | 'endpoints', { identity }: TestWorker): Promise<unknown> => {
    const { tx, query } = wallet.api;
    const call = tx.system.killStorage([query.phalaRegistry[map].key(identity)]);
    return wallet.post(tx.sudo.sudo(call), wallet.alice);
  };
  /** Under which of the map's first branches a worker's endpoints hang. */
  const branchOf = (id: Hex): string | undefined => {
    const { endpoints } = wallet.api.query.phalaRegistry;
    return endpoints.key(id).slice(endpoints.keyPrefix().length)[0];
  };

  it('cost nothing of the whole where an owner publishes a list without endpoints, again and again', async () => {
    for (let round = 0; round < 3; round++) {
      await publish(one, []);
      await readOn();
      await publish(one, [`http://${round}`]);
      await readOn();
    }
    await publish(one, []);
    await publish(two, []);
    await readOn();
    await publish(three, ['http://three']);
    await readOn();
    assert.equal(cache.scans, 0);
  });

  it('cost nothing of the whole beside endpoints of who is not registered any more', async () => {
    await publish(one, ['http://one']);
    await readOn();
    await kill('workers', one);
    assert.equal((await readOn()).infos.get(one.identity), undefined);
    assert.deepEqual([...mark.orphans], [one.identity]);
    const scans = cache.scans; // one, for the worker that is gone
    assert.equal(scans, 1);
    const neighbours = [...dev.workers].filter(({ identity }) => branchOf(identity) === branchOf(one.identity));
    assert.ok(neighbours.length > 0);
    for (const { index, identity, identitySeed } of neighbours) {
      await publish({ identity, pair: keyPairFromSeed(identitySeed) }, [`http://${index}`]);
      await readOn();
    }
    assert.equal(cache.scans, scans);
  });

  it('show the endpoints of who is registered again, and that they went while nobody was', async () => {
    await publish(two, ['http://two']);
    await kill('workers', two);
    await readOn();
    await register(two);
    const back = await readOn();
    assert.ok((back.endpoints.get(two.identity)?.length ?? 0) > 0);
    await kill('workers', two);
    await readOn();
    await kill('endpoints', two);
    await readOn();
    assert.ok(!mark.orphans.has(two.identity));
    await register(two);
    await readOn();
    assert.equal(cache.rows.get(two.identity)?.length, 0);
  });

  it('show both, where worker and endpoints come and go in one', async () => {
    await publish(three, ['http://three']);
    await readOn();
    await kill('workers', three);
    await kill('endpoints', three);
    await readOn();
    assert.ok(!cache.has(three.identity) && !mark.orphans.has(three.identity));
    await register(three);
    await publish(three, []);
    await readOn();
    assert.ok(cache.hasEndpoints(three.identity));
  });
});

function sorted(rows: ReadonlyMap<Hex, Uint8Array>): [Hex, Uint8Array][] {
  return [...rows].sort(([a], [b]) => (a < b ? -1 : 1));
}
