import assert from 'node:assert/strict';
import { connectChain, systemClock, type BlockId, type Chain } from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { readWorker, watchWorkerState, type WorkerStateWatch } from '../../src/worker-state/index.ts';
import { alice, record, testWorker, withCode, type TestWorker } from '../chain/support.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { twoxKey, type GenesisWorker } from '../support/genesis-spec.ts';
import { NodeView } from '../support/node-view.ts';
import { Refusal, type Alter } from '../support/rpc-proxy.ts';
import { assertNewest, describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';

const workersPrefix = storagePrefix('PhalaRegistry', 'Workers');
const endpointsPrefix = storagePrefix('PhalaRegistry', 'Endpoints');
const workerKey = (identity: Hex): Hex => `${workersPrefix}${twoxKey(identity)}`;
const count = 60;

/** Answers with one byte changed in each node or value of a proof. */
const flipProof = (result: unknown): unknown => {
  const { at, proof } = result as { at: Hex; proof: Hex[] };
  return { at, proof: proof.map((node) => `${node.slice(0, -2)}${node.endsWith('00') ? '01' : '00'}`) };
};
const cutProof = (result: unknown): unknown => {
  const { at, proof } = result as { at: Hex; proof: Hex[] };
  return { at, proof: proof.slice(0, -1) };
};

/** Workers that tests add. */
const added = new Set(Array.from({ length: 64 }, (_, seed) => testWorker(seed).identity));
/** Those of the genesis. */
const shown = ({ state }: WorkerStateWatch): Hex[] =>
  Array.from(state.values(), ({ identity }) => identity)
    .filter((id) => !added.has(id))
    .sort();

describeOnChains('WorkerState from a node that lies', { workers: count }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);
  const chainVia = async (alter: Alter, ...others: readonly string[]): Promise<Chain> =>
    connect([(await proxy(alter)).ws, ...others]);
  const identities = (): Hex[] => node.workers.map(({ identity }) => identity);
  const lies: readonly (readonly [string, Alter])[] = [
    ['alters proofs', (method, _, result) => (method === 'state_getReadProof' ? flipProof(result) : result)],
    [
      'leaves parts of proofs out',
      (method, _, result) => (method === 'state_getReadProof' ? cutProof(result) : result),
    ],
    [
      'answers with nonsense',
      (method, _, result) => (method === 'state_getReadProof' ? { proof: ['nonsense'] } : result),
    ],
    [
      'has another header for a block',
      (method, _, result) =>
        method === 'chain_getHeader' && Number((result as { number: Hex }).number) > 0
          ? { ...(result as object), stateRoot: toHex(new Uint8Array(32).fill(7)) }
          : result,
    ],
  ];

  for (const [what, alter] of lies) {
    it(`that ${what}: it is named, and no value of it is used`, async () => {
      const named = withCode('node-lies', '127.0.0.1');
      const chain = await chainVia(alter).catch((error: unknown) => {
        assert.ok(named(error), String(error));
      });
      if (chain === undefined) return;
      await using watch = watchWorkerState(chain, { verify: true });
      const failure = await watch.ready.then(
        () => undefined,
        (error: unknown) => error,
      );
      assert.ok(named(failure), String(failure));
      assert.equal(watch.state.size, 0);
    });

    it(`that ${what}: the next endpoint is asked`, async () => {
      const liar = await proxy(alter);
      const chain = await connect([liar.ws, node.ws, (await proxy()).ws]);
      await using watch = watchWorkerState(chain, { verify: true });
      await watch.ready;
      assert.equal(watch.state.size, count);
      assert.deepEqual(
        chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
        [[liar.ws, true, 'node-lies']],
      );
    });
  }

  it('that hides keys from its list: it is named, and they are found in the proof', async () => {
    const hidden = new Set<unknown>();
    const liar = await proxy((method, [prefix], result) => {
      if (method !== 'state_getKeysPaged' || prefix !== workersPrefix) return result;
      const keys = result as Hex[];
      keys.filter((_, i) => i % 3 === 0).forEach((key) => hidden.add(key));
      return keys.filter((_, i) => i % 3 !== 0);
    });
    const chain = await connect([liar.ws, node.ws]);
    await using watch = watchWorkerState(chain);
    await watch.ready;
    assert.ok(hidden.size >= count / 3);
    assert.deepEqual(shown(watch), identities());
    assert.deepEqual(
      chain.nodeFaults.map(({ url, isLeft, error }) => [url, isLeft, error.code]),
      [[liar.ws, true, 'node-lies']],
    );
    const [first] = [...hidden].sort();
    assert.ok(chain.nodeFaults[0]?.error.message.includes(String(first).slice(2)));
  });

  for (const [what, alter] of [
    ['lists fewer keys at once than it is asked for', (keys) => keys.slice(0, 20)],
    ['lists each key twice', (keys) => keys.flatMap((key) => [key, key])],
  ] as readonly (readonly [string, (keys: readonly Hex[]) => readonly Hex[]])[])
    it(`that ${what}: it is not taken for a liar, and all are found in the proof`, async () => {
      const chain = await chainVia(
        (method, [prefix], result) =>
          method === 'state_getKeysPaged' && prefix === workersPrefix ? alter(result as Hex[]) : result,
        node.ws,
      );
      await using watch = watchWorkerState(chain);
      await watch.ready;
      assert.deepEqual(shown(watch), identities());
      assert.deepEqual(chain.nodeFaults, []);
    });

  it('that has another order of keys: it does not matter', async () => {
    const chain = await chainVia((method, [prefix], result) =>
      method === 'state_getKeysPaged' && prefix === workersPrefix ? (result as Hex[]).toReversed() : result,
    );
    await using watch = watchWorkerState(chain, { verify: true });
    await watch.ready;
    assert.deepEqual(shown(watch), identities());
  });

  it('that invents keys: it is named, and nothing of them believed', async () => {
    const invented = `${workersPrefix}${'ab'.repeat(40)}`;
    const alter: Alter = (method, [prefix], result) =>
      method === 'state_getKeysPaged' && prefix === workersPrefix ? [invented, ...(result as Hex[])] : result;
    const alone = await chainVia(alter);
    await using last = watchWorkerState(alone, { verify: true });
    await last.ready;
    assert.deepEqual(shown(last), identities());
    await assert.rejects(alone.finalizedHead(), withCode('node-lies', 'ab'.repeat(40)));
    await using watch = watchWorkerState(await chainVia(alter, node.ws));
    await watch.ready;
    assert.deepEqual(shown(watch), identities());
  });

  for (const verify of [undefined, false])
    it(`that lists keys for ever: it comes to an end (verify: ${verify})`, async () => {
      let next = 0;
      const chain = await chainVia((method, [prefix, count], result) => {
        if (method !== 'state_getKeysPaged' || prefix !== workersPrefix) return result;
        const key = (): string => `${workersPrefix}${(++next).toString(16).padStart(80, '0')}`;
        return Array.from({ length: Number(count) }, key);
      }, node.ws);
      await using watch = watchWorkerState(chain, verify === undefined ? {} : { verify });
      await watch.ready;
      assert.deepEqual(shown(watch), identities());
      assert.ok(next > 0 && next <= 20_000);
    });

  it('that takes turns between having no state and proofs of nonsense: the next endpoint is asked', async () => {
    let turn = 0;
    const chain = await chainVia((method, _, result) => {
      if (method !== 'state_getReadProof') return result;
      return ++turn % 2 === 0
        ? new Refusal('Client error: UnknownBlock: State already discarded', 4_003)
        : { proof: [{ turn }] };
    }, node.ws);
    await using watch = watchWorkerState(chain);
    await watch.ready;
    assert.deepEqual(shown(watch), identities());
    assert.ok(turn < 10, String(turn));
  });

  it('that hides every hint: each change is seen by its proof', async () => {
    const events = storagePrefix('System', 'Events');
    const chain = await chainVia((method, [keys], result) =>
      method === 'state_queryStorageAt' && (keys as Hex[]).includes(events)
        ? [{ block: '0x', changes: [[events, null]] }]
        : result,
    );
    await using watch = watchWorkerState(chain, { verify: true });
    using changes = record(watch.changes$);
    await watch.ready;
    const worker = testWorker(1);
    await using honest = await connectChain({ endpoints: [node.ws] });
    await honest.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
    await changes.until(({ length }) => length === 1);
    assert.ok(watch.state.has(worker.identity));
  });

  it('gives no proofs: hints are used, unless every value must be proven', async () => {
    const chain = await chainVia((method, _, result) =>
      method === 'state_getReadProof' ? new Refusal('Method not found') : result,
    );
    await using watch = watchWorkerState(chain);
    await watch.ready;
    assert.deepEqual([watch.stats.strategy, watch.state.size >= count], ['hints', true]);
    await using strict = watchWorkerState(chain, { verify: true });
    await assert.rejects(strict.ready, withCode('proofs-unavailable', '127.0.0.1'));
  });
});

describeOnChains('WorkerState from a node that lies for a while', { workers: count }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);
  const chainVia = async (alter: Alter, ...others: readonly string[]): Promise<Chain> =>
    connect([(await proxy(alter)).ws, ...others]);
  const twoOthers = async (): Promise<string[]> => [(await proxy()).ws, (await proxy()).ws];
  const identities = (): Hex[] => node.workers.map(({ identity }) => identity);
  let seeds = 10;
  it('that makes up best blocks: no watch ends by it, nor begins with one', async () => {
    let told = 0;
    const chain = await chainVia((method, _, result) => {
      if (method !== 'chain_newHead') return result;
      told += 1;
      return { ...(result as object), stateRoot: toHex(new Uint8Array(32).fill(told)) };
    }, node.ws);
    const before = await node.newest('best');
    await using watch = watchWorkerState(chain, { verify: true, finality: 'best' });
    await until(() => told > 0);
    await watch.ready;
    const { block: number, hash } = watch.state.at;
    await assertNewest(node, { number, hash }, before);
    const worker = testWorker(50);
    await using honest = await connectChain({ endpoints: [node.ws] });
    await honest.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
    await node.grow();
    await until(() => watch.state.has(worker.identity));
    assert.equal((await honest.headOf(watch.state.at.hash)).number, watch.state.at.block);
  });

  for (const [what, alter, options] of [
    ['gives no proofs', ['state_getReadProof', new Refusal('Method not found')], { verify: true }],
    ['has no keys that are hex', ['state_getKeysPaged', ['0xzz']], { verify: false }],
    ['has no values that are hex', ['state_queryStorageAt', undefined], { verify: false }],
    ['has no list of values', ['state_queryStorageAt', [7]], { verify: false }],
    ['has no blocks', ['chain_getBlock', null], { verify: false }],
  ] as const)
    it(`that ${what}: another one that has is asked`, async () => {
      let isOdd = false;
      let told = 0;
      const garble = (result: unknown): unknown => {
        const [set] = result as { block: Hex; changes: [Hex, Hex | null][] }[];
        return [{ ...set, changes: set!.changes.map(([key, value]) => [key, value && '0xzz']) }];
      };
      const odd: Alter = (method, _, result) => {
        if (!isOdd || method !== alter[0]) return result;
        told += 1;
        return alter[1] ?? (alter[1] === undefined ? garble(result) : alter[1]);
      };
      const chain = await chainVia(odd, ...(await twoOthers()));
      isOdd = true;
      await using watch = watchWorkerState(chain, options);
      await watch.ready;
      using changes = record(watch.changes$);
      const worker = testWorker(seeds++);
      await using honest = await connectChain({ endpoints: [node.ws] });
      await honest.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
      await changes.until(({ length }) => length === 1);
      assert.ok(watch.state.has(worker.identity));
      assert.ok(told > 0, 'it was asked');
    });

  for (const options of [{ verify: true }, {}, { verify: false }])
    it(`that lists a key which no node takes: another one is asked, ${JSON.stringify(options)}`, async () => {
      let isOdd = false;
      let asked = 0;
      const odd: Alter = (method, [prefix], result) => {
        if (!isOdd || method !== 'state_getKeysPaged' || prefix !== workersPrefix) return result;
        asked += 1;
        return [...(result as Hex[]), `${workersPrefix}${'zz'.repeat(40)}`];
      };
      const chain = await chainVia(odd, ...(await twoOthers()));
      isOdd = true;
      await using watch = watchWorkerState(chain, options);
      await watch.ready;
      assert.deepEqual(shown(watch), identities());
      assert.ok(asked > 0, 'it was asked');
    });

  it('that says that a proof is too large, even of one key: another one is asked, and where there is none it is told', async () => {
    let isOdd = false;
    const [first] = identities();
    const odd: Alter = (method, [keys], result) =>
      isOdd && method === 'state_getReadProof' && JSON.stringify(keys).includes(String(first).slice(2))
        ? new Refusal('Response is too big', -32_008)
        : result;
    const other = await proxy();
    const [both, alone] = [await chainVia(odd, other.ws), await chainVia(odd)];
    isOdd = true;
    const worker = await readWorker(both, first!, { verify: false });
    assert.equal(worker?.identity, first);
    assert.equal((await readWorker(both, first!))?.identity, first);
    await assert.rejects(readWorker(alone, first!), withCode('bad-storage', 'proof'));
  });

  const events = storagePrefix('System', 'Events');
  /** Has no events that hints could tell by, and gives proofs only while it is told to. */
  const secretive = (): { hasProofs: boolean; readonly alter: Alter } => {
    const node = {
      hasProofs: true,
      alter: ((method, [keys], result) => {
        if (method === 'state_getReadProof' && !node.hasProofs) return new Refusal('Method not found');
        const isEvents = method === 'state_queryStorageAt' && (keys as Hex[]).includes(events);
        return isEvents ? [{ block: '0x', changes: [[events, null]] }] : result;
      }) satisfies Alter,
    };
    return node;
  };
  /** A clock that is put forward. */
  const hasty = (): typeof systemClock & { later: number } => {
    const clock = { ...systemClock, later: 0, now: () => Date.now() + clock.later };
    return clock;
  };
  const infoOf = async ({ identity }: GenesisWorker): Promise<Hex> => {
    await using view = await NodeView.open(node.ws);
    const info = await view.ask<Hex>('state_getStorage', workerKey(identity));
    return info;
  };
  const shows = async (watch: WorkerStateWatch, { number }: BlockId): Promise<void> => {
    await until(() => watch.state.at.block >= number);
  };
  /** Lets the chain go on until the workers are read so. */
  const reads = async (watch: WorkerStateWatch, strategy: WorkerStateWatch['stats']['strategy']): Promise<void> => {
    while (watch.stats.strategy !== strategy) await shows(watch, await node.grow());
  };

  it('gave no proofs for a while: they are used again, and show what hints missed meanwhile', async () => {
    const way = secretive();
    const clock = hasty();
    await using watch = watchWorkerState(await chainVia(way.alter), { clock });
    await watch.ready;
    const info = await infoOf(node.workers[0]!);
    const add = async (worker: TestWorker): Promise<void> =>
      shows(watch, await node.setStorage([[workerKey(worker.identity), info]]));
    const [first, second, third] = [testWorker(41), testWorker(42), testWorker(43)];
    await add(first);
    assert.deepEqual([watch.stats.strategy, watch.state.has(first.identity)], ['proofs', true]);
    way.hasProofs = false;
    await reads(watch, 'hints');
    await add(second);
    assert.ok(!watch.state.has(second.identity));
    way.hasProofs = true;
    await shows(watch, await node.grow(2));
    assert.equal(watch.stats.strategy, 'hints');
    clock.later += 120_000;
    await reads(watch, 'proofs');
    assert.ok(watch.state.has(second.identity));
    await add(third);
    assert.ok(watch.state.has(third.identity));
  });

  it('gave no proofs while all workers were removed: they are gone by proofs, for which nothing was listed before', async () => {
    const way = secretive();
    const through = await proxy(way.alter);
    const clock = hasty();
    await using watch = watchWorkerState(await connect([through.ws]), { clock, reconcile: { everyMs: 1e12 } });
    await watch.ready;
    const { size } = watch.state;
    way.hasProofs = false;
    await reads(watch, 'hints');
    await using view = await NodeView.open(node.ws);
    const keys = await Promise.all(
      [workersPrefix, endpointsPrefix].map((prefix) => view.ask<Hex[]>('state_getKeysPaged', prefix, 1_000)),
    );
    const values = await Promise.all(
      keys.flat().map(async (key) => [key, await view.ask<Hex>('state_getStorage', key)] as const),
    );
    await shows(watch, await node.setStorage(values.map(([key]) => [key, null])));
    assert.deepEqual([watch.stats.strategy, watch.state.size], ['hints', size], 'hints know nothing of it');
    const listed = through.asked.get('state_getKeysPaged');
    clock.later += 61_000;
    await shows(watch, await node.grow(2));
    assert.equal(watch.stats.strategy, 'hints');
    assert.equal(through.asked.get('state_getKeysPaged'), listed);
    clock.later += 61_000;
    way.hasProofs = true;
    await reads(watch, 'proofs');
    assert.equal(watch.state.size, 0);
    await shows(watch, await node.setStorage(values));
    assert.equal(watch.state.size, size);
  });

  it('gave no proofs for a while: what was missed meanwhile stays counted', async () => {
    const way = secretive();
    const clock = hasty();
    await using watch = watchWorkerState(await chainVia(way.alter), { clock, reconcile: { everyBlocks: 2 } });
    await watch.ready;
    way.hasProofs = false;
    await reads(watch, 'hints');
    const worker = testWorker(44);
    const before = await node.setStorage([[workerKey(worker.identity), await infoOf(node.workers[0]!)]]);
    while (watch.stats.missed === 0) await shows(watch, await node.grow());
    assert.deepEqual([watch.stats.strategy, watch.stats.missed], ['hints', 1]);
    assert.ok(watch.state.has(worker.identity) && watch.state.at.block > before.number);
    way.hasProofs = true;
    clock.later += 120_000;
    await reads(watch, 'proofs');
    const { reconciles } = watch.stats;
    await shows(watch, await node.grow(4));
    assert.deepEqual([watch.stats.strategy, watch.stats.missed, watch.stats.reconciles], ['proofs', 1, reconciles]);
  });
});
