import assert from 'node:assert/strict';
import { systemClock, type Clock } from '../../src/chain/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { watchWorkerState } from '../../src/worker-state/index.ts';
import {
  alice,
  openWallet,
  record,
  recordOf,
  signedEndpoints,
  testKey,
  testWorker,
  type TestWorker,
} from '../chain/support.ts';
import { useEndpoints } from '../support/endpoints.ts';
import { replacing } from '../support/replacing.ts';
import { Refusal } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { until } from '../support/until.ts';

/** More pages of keys than are read at once. */
const count = 3_900;

/** A promise, and what lets it go. */
function gate(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open: () => void = () => undefined;
  const opened = new Promise<void>((resolve) => (open = resolve));
  return { opened, open };
}

/** A clock's sleep that takes no time, and notes how long it should have. */
function hurrying(pauses: number[]): Clock['sleep'] {
  return async (ms) => {
    pauses.push(ms);
    await new Promise<void>(setImmediate);
  };
}

let seed = 0;
/** Each test has its own. */
const nextWorker = (): TestWorker => testWorker(++seed);
const registration = ({ identity, ecdhKey }: TestWorker) => ({ kind: 'register-worker', identity, ecdhKey }) as const;

describeOnChains('watchWorkerState as it begins and ends', { workers: count }, (node) => {
  const { proxy, connect } = useEndpoints(() => node.ws);

  for (const verify of [true, false])
    describe(`by ${verify ? 'proofs' : 'hints'}`, () => {
      it('begins with all there is, and with what came meanwhile, where the state of its block is gone half way', async () => {
        const through = await proxy();
        const [chain, own] = [await connect([through.ws]), await connect([node.ws])];
        const { opened, open } = gate();
        let pinned: unknown;
        let pages = 0;
        let isGone = false;
        const later: number[] = [];
        const isPage = (method: string, keys: unknown): keys is unknown[] =>
          (method === 'state_getReadProof' || method === 'state_queryStorageAt') &&
          Array.isArray(keys) &&
          keys.length >= 100;
        through.hold = (method, [keys, block]) => {
          if (!isPage(method, keys)) return undefined;
          pinned ??= block;
          if (block !== pinned) {
            later.push(keys.length);
            return undefined;
          }
          return ++pages > 2 ? opened : undefined;
        };
        through.alter = (_method, params, result) =>
          isGone && params.includes(pinned)
            ? new Refusal('Client error: UnknownBlock: State already discarded', 4_003)
            : result;
        await using watch = watchWorkerState(chain, { verify });
        await until(() => pages > 2);
        const worker = nextWorker();
        await own.submit([registration(worker)], alice);
        isGone = true;
        open();
        await watch.ready;
        assert.ok(watch.state.at.hash !== pinned);
        assert.ok(watch.state.size > count && watch.state.has(worker.identity));
        await using fresh = watchWorkerState(own, { verify });
        await fresh.ready;
        assert.deepEqual([...watch.state], [...fresh.state]);
        // By proofs, which tell what is still equal, that is not read again.
        if (verify) assert.ok(later.reduce((sum, keys) => sum + keys, 0) < 2 * count, String(later));
      });

      it('reads several pages at once, and no more than a node is fast with', async () => {
        const [method, width] = verify ? (['state_getReadProof', 4] as const) : (['state_queryStorageAt', 6] as const);
        const through = await proxy();
        const chain = await connect([through.ws]);
        let [underWay, most] = [0, 0];
        const { opened, open } = gate();
        through.hold = (asked, [keys]) => {
          if (asked !== method || (keys as unknown[]).length < 100) return undefined;
          most = Math.max(most, ++underWay);
          // Whatever else is asked for at once comes before the first is answered.
          if (underWay === width) setTimeout(open, 100);
          return opened.then(() => underWay--);
        };
        await using watch = watchWorkerState(chain, { verify });
        await watch.ready;
        assert.equal(most, width);
      });

      for (const how of ['refuses', 'breaks the socket of'] as const)
        it(`learns how much it may ask for at once of a node that ${how} what is too large`, async () => {
          const limit = verify ? 300 : 150;
          const method = verify ? 'state_getReadProof' : 'state_queryStorageAt';
          let [asked, tooLarge] = [0, 0];
          const through = await proxy();
          const chain = await connect([through.ws]);
          const isTooLarge = (keys: unknown): boolean => (keys as unknown[]).length > limit;
          /** Of the answer that is next. */
          const sizes: boolean[] = [];
          through.alter = (of, [keys], result) => {
            if (of !== method) return result;
            asked += 1;
            if (isTooLarge(keys)) tooLarge += 1;
            if (how === 'refuses' && isTooLarge(keys)) return new Refusal('Response is too big', -32_008);
            sizes.push(isTooLarge(keys));
            return result;
          };
          through.tooBig = (answer) => answer.method === method && (sizes.shift() ?? false);
          await using watch = watchWorkerState(chain, { verify });
          await watch.ready;
          assert.ok(watch.state.size >= count);
          // Those that were under way while it learned, in two or three sizes, and some more; twice where it is not clear which
          // it was that the socket broke of. If it did not learn, so many would be refused of each page.
          const most = (verify ? 4 * 4 : 6 * 6) * (how === 'refuses' ? 1 : 2);
          assert.ok(tooLarge > 0 && tooLarge <= most, `${tooLarge} of ${asked} were too large`);
        });

      it('goes on from its store where nodes are away while it begins', async () => {
        const way = await proxy();
        await using store = openMemoryStore();
        const first = watchWorkerState(await connect([way.ws]), { verify, store });
        await first.verified;
        await first.stop();
        const own = await connect([node.ws]);
        const worker = nextWorker();
        await own.submit([registration(worker)], alice);
        const chain = await connect([way.ws], { timeoutMs: 200 });
        const listed = way.asked.get('state_getKeysPaged') ?? 0;
        const reading = verify ? 'state_getReadProof' : 'chain_getBlock';
        let absences = 0;
        way.hold = (method) => {
          if (absences > 0 || method !== reading) return undefined;
          absences += 1;
          way.isClosed = true;
          way.cut();
          return undefined;
        };
        const waited: number[] = [];
        const clock = { ...systemClock, sleep: hurrying(waited) };
        await using again = watchWorkerState(chain, { verify, store, clock });
        await until(() => waited.length > 0);
        way.isClosed = false;
        await again.ready;
        assert.ok(again.state.has(worker.identity));
        assert.equal(absences, 1);
        assert.equal((way.asked.get('state_getKeysPaged') ?? 0) - listed, 0, 'nothing is read anew');
      });

      it('has stopped when what it was storing is stored', async () => {
        const chain = await connect([node.ws]);
        const worker = nextWorker();
        await chain.submit([registration(worker)], alice);
        const list = await signedEndpoints(chain, worker, [recordOf(worker, node.genesisHash, 1, testKey(1))]);
        await chain.submit([{ kind: 'update-worker-endpoint', ...list }], alice);
        await using inner = openMemoryStore();
        const { opened, open } = gate();
        let under = 0;
        const store = replacing(inner, {
          commit: async (writes, expected) => {
            const isEpochs = writes.some(({ key }) => new TextDecoder().decode(key).startsWith('worker-state/keys/'));
            under += 1;
            if (isEpochs) await opened;
            const committed = await inner.commit(writes, expected);
            under -= 1;
            return committed;
          },
        });
        const watch = watchWorkerState(chain, { verify, store });
        await watch.ready;
        await until(() => under > 0);
        let isStopped = false;
        const stopping = watch.stop().then(() => (isStopped = true));
        for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
        assert.ok(!isStopped, 'it waits for what is being stored');
        open();
        await stopping;
        assert.equal(under, 0);
      });

      it('outlasts any number of refusals once it has begun, and warns of them', async () => {
        const way = await proxy();
        const [chain, own] = [await connect([way.ws]), await connect([node.ws])];
        const pauses: number[] = [];
        const clock = { ...systemClock, sleep: hurrying(pauses) };
        let warnings = 0;
        const logger = { debug: () => undefined, warn: () => (warnings += 1) };
        await using watch = watchWorkerState(chain, { verify, clock, logger });
        await watch.ready;
        let left = 60;
        const reading = verify ? 'state_getReadProof' : 'chain_getBlock';
        way.refuse = (method) =>
          method === reading && left-- > 0 ? new Refusal('Rate limit reached', 4_290) : undefined;
        const worker = nextWorker();
        await own.submit([registration(worker)], alice);
        await until(() => watch.state.has(worker.identity));
        assert.ok(left < 0 && warnings >= 60);
        assert.ok(pauses.includes(30_000) && Math.max(...pauses) === 30_000, String(pauses));
      });

      if (!verify)
        it('compares all there is when it is time, with the next block', async () => {
          const chain = await connect([node.ws]);
          let later = 0;
          const clock = { ...systemClock, now: () => later };
          const reconcile = { everyBlocks: 1e9, everyMs: 60_000 };
          await using watch = watchWorkerState(chain, { verify, clock, reconcile });
          await watch.ready;
          const gone = node.workers[0]!.identity;
          await using wallet = await openWallet(node.ws);
          const key = wallet.api.query.phalaRegistry.workers.key(gone) as Hex;
          const next = async (): Promise<void> => {
            const { number } = await node.grow();
            await until(() => watch.state.at.block >= number);
          };
          await node.setStorage([[key, null]]);
          later += 59_000;
          await next();
          assert.deepEqual([watch.state.has(gone), watch.stats.reconciles], [true, 0]);
          later += 1_000;
          await next();
          assert.deepEqual([watch.state.has(gone), watch.stats.reconciles, watch.stats.missed], [false, 1, 1]);
          await next();
          assert.equal(watch.stats.reconciles, 1);
        });
    });
});

describe('watchWorkerState with best as it begins', () => {
  let lagging: DevChain;
  beforeEach(async () => {
    lagging = await startDevChain({ workers: 5, finalityLag: 10 });
  });
  afterEach(() => lagging.stop());
  const { proxy, connect } = useEndpoints(() => lagging.ws);

  for (const verify of [true, false])
    it(`by ${verify ? 'proofs' : 'hints'} tells nothing twice where it had to begin with a later block than it was told of`, async () => {
      const liar = await proxy();
      const [chain, own] = [await connect([liar.ws]), await connect([lagging.ws])];
      await lagging.newBlock();
      let told = 0;
      const { opened, open } = gate();
      let isHeld = false;
      liar.alter = (method, _, result) =>
        method === 'chain_newHead' && told++ === 0
          ? { ...(result as object), stateRoot: `0x${'12'.repeat(32)}` }
          : result;
      liar.hold = (method) => {
        if (!method.startsWith('state_') || told === 0) return undefined;
        isHeld = true;
        return opened;
      };
      await using watch = watchWorkerState(chain, { verify, finality: 'best' });
      using changes = record(watch.changes$);
      await until(() => isHeld);
      const worker = nextWorker();
      await own.submit([registration(worker)], alice);
      await lagging.newBlock();
      open();
      await watch.ready;
      await lagging.newBlock();
      await until(() => watch.state.at.hash === lagging.head.hash);
      assert.ok(watch.state.has(worker.identity));
      // By hints it began with a finalized block, since the state of the other one was gone half way.
      assert.deepEqual(
        changes.values.map(({ type }) => type),
        verify ? [] : ['added'],
      );
    });
});
