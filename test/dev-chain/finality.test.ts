import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { connect, RawClient, type TestApi } from './support.ts';

const lag = 3;

interface Header {
  readonly number: Hex;
}

type Status = string | Readonly<Record<string, Hex>>;

describe('dev-chain: finality and reorgs', () => {
  let chain: DevChain;
  let client: TestApi;
  let raw: RawClient;

  before(async () => {
    chain = await startDevChain({ finalityLag: lag });
    client = await connect(chain.ws);
    raw = await RawClient.open(chain.ws);
  });

  after(async () => {
    raw[Symbol.dispose]();
    await client.api.disconnect();
    await chain.stop();
  });

  const submit = async (resubmitted?: Hex): Promise<{ readonly subscription: string; readonly extrinsic: Hex }> => {
    const nonce = await raw.result<number>('system_accountNextIndex', client.alice.address);
    const extrinsic = resubmitted ?? (await client.sign(client.transfer(1_000_000_000n), nonce));
    const subscription = await raw.result<string>('author_submitAndWatchExtrinsic', extrinsic);
    return { subscription, extrinsic };
  };

  const inBlock = async (subscription: string): Promise<Hex> => {
    assert.equal(await raw.next<Status>(subscription), 'ready');
    const status = await raw.next<Status>(subscription);
    assert.ok(typeof status === 'object' && status['inBlock'] !== undefined, JSON.stringify(status));
    return status['inBlock'];
  };

  it('keeps the finalized head the lag behind the best', async () => {
    const { number } = await chain.newBlock({ count: lag + 2 });
    assert.equal(chain.finalized.number, number - lag);
    const hash = await raw.result<Hex>('chain_getFinalizedHead');
    assert.equal(hash, chain.finalized.hash);
    assert.equal(Number((await raw.result<Header>('chain_getHeader', hash)).number), number - lag);
  });

  it('reports finalized heads one by one', async () => {
    const subscription = await raw.result<string>('chain_subscribeFinalizedHeads');
    const first = Number((await raw.next<Header>(subscription)).number);
    assert.equal(first, chain.finalized.number);
    await chain.newBlock({ count: 2 });
    assert.equal(Number((await raw.next<Header>(subscription)).number), first + 1);
    assert.equal(Number((await raw.next<Header>(subscription)).number), first + 2);
    await raw.result('chain_unsubscribeFinalizedHeads', subscription);
  });

  it('reports a submission as final only when its block is', async () => {
    const { subscription } = await submit();
    const hash = await inBlock(subscription);
    await chain.newBlock({ count: lag - 1 });
    await raw.result('system_health');
    assert.equal(raw.pending(subscription), 0);
    await chain.newBlock();
    assert.deepEqual(await raw.next<Status>(subscription), { finalized: hash });
  });

  it('forks with other hashes, even where the blocks are the same otherwise', async () => {
    const base = await chain.newBlock();
    const timestamp = Date.now() + 60_000;
    const [first] = [await chain.newBlock({ timestamp })];
    const back = await chain.reorg(base.number);
    assert.deepEqual(back, base);
    assert.deepEqual(chain.head, base);
    const forked = await chain.newBlock({ timestamp });
    assert.equal(forked.number, first.number);
    assert.notEqual(forked.hash, first.hash);
    assert.equal(await raw.result('chain_getBlockHash', forked.number), forked.hash);
    assert.notEqual(await raw.result('chain_getHeader', first.hash), null);
  });

  it('goes back to a fork that it left', async () => {
    const base = await chain.newBlock();
    const first = await chain.newBlock();
    await chain.reorg(base.hash);
    const second = await chain.newBlock();
    await chain.reorg(first.hash);
    assert.deepEqual(chain.head, first);
    assert.equal(await raw.result('chain_getBlockHash', second.number), first.hash);
  });

  it('reports new heads of a fork to subscribers', async () => {
    const base = chain.head;
    await chain.newBlock();
    const subscription = await raw.result<string>('chain_subscribeNewHeads');
    await raw.next<Header>(subscription);
    await chain.reorg(base.number);
    assert.equal(Number((await raw.next<Header>(subscription)).number), base.number);
    await chain.newBlock();
    assert.equal(Number((await raw.next<Header>(subscription)).number), base.number + 1);
    await raw.result('chain_unsubscribeNewHeads', subscription);
  });

  it('reports a head that goes forward again to a branch that it left', async () => {
    const base = chain.head;
    const left = await chain.newBlock();
    await chain.reorg(base.number);
    const subscription = await raw.result<string>('chain_subscribeNewHeads');
    assert.equal(Number((await raw.next<Header>(subscription)).number), base.number);
    await chain.reorg(left.hash);
    assert.equal(Number((await raw.next<Header>(subscription)).number), left.number);
    await raw.result('chain_unsubscribeNewHeads', subscription);
  });

  it('tells a submission that its block was retracted, and where it went if it comes back', async () => {
    const base = chain.head;
    const { subscription, extrinsic } = await submit();
    const hash = await inBlock(subscription);
    await chain.reorg(base.number);
    assert.deepEqual(await raw.next<Status>(subscription), { retracted: hash });
    const { subscription: second } = await submit(extrinsic);
    const again = await inBlock(second);
    assert.notEqual(again, hash);
    assert.deepEqual(await raw.next<Status>(subscription), { inBlock: again });
  });

  it('puts retracted extrinsics back into the pool if asked to', async () => {
    const base = chain.head;
    const { subscription } = await submit();
    const hash = await inBlock(subscription);
    await chain.reorg(base.number, { resubmit: true });
    assert.deepEqual(await raw.next<Status>(subscription), { retracted: hash });
    const status = await raw.next<Status>(subscription);
    assert.ok(typeof status === 'object' && status['inBlock'] !== undefined);
    assert.notEqual(status['inBlock'], hash);
  });

  it('refuses to retract what is final', async () => {
    const { head, finalized } = chain;
    const refused = chain.reorg(finalized.number - 1);
    await assert.rejects(refused, (error) => isRelayError(error, 'dev-reorg-refused'));
    assert.match((await raw.ask('dev_setHead', 0)).error!.message, /is finalized/);
    await assert.rejects(chain.reorg(1_000_000), (error) => isRelayError(error, 'dev-block-unknown'));
    assert.deepEqual(chain.head, head);
    await chain.reorg(finalized.number);
    assert.deepEqual(chain.head, finalized);
  });

  it('takes blocks back by number, by hash and by distance over RPC', async () => {
    const base = await chain.newBlock();
    await raw.result('dev_newBlock', { count: 2 });
    assert.equal(await raw.result('dev_setHead', -2), base.hash);
    const next = await raw.result<Hex>('dev_newBlock', { to: base.number + 2 });
    assert.equal(chain.head.number, base.number + 2);
    assert.equal(chain.head.hash, next);
    assert.equal(await raw.result('dev_setHead', base.hash), base.hash);
  });

  it('shows forks and finality to a client of the new specification', async () => {
    type Event = Readonly<Record<string, unknown>> & { readonly event: string };
    const subscription = await raw.result<string>('chainHead_v1_follow', true);
    const initialized = await raw.next<Event>(subscription);
    assert.equal(initialized.event, 'initialized');
    assert.deepEqual(initialized['finalizedBlockHashes'], [chain.finalized.hash]);
    const until = async (event: string): Promise<Event> => {
      for (;;) {
        const next = await raw.next<Event>(subscription);
        if (next.event === event) return next;
      }
    };
    await until('bestBlockChanged');
    const base = chain.head;
    const lost = await chain.newBlock();
    assert.equal((await until('newBlock'))['blockHash'], lost.hash);
    assert.equal((await until('bestBlockChanged'))['bestBlockHash'], lost.hash);
    await chain.reorg(base.number);
    assert.equal((await until('bestBlockChanged'))['bestBlockHash'], base.hash);
    await chain.newBlock({ count: lag + 1 });
    let pruned: unknown[] = [];
    while (!pruned.includes(lost.hash)) pruned = (await until('finalized'))['prunedBlockHashes'] as unknown[];

    const { hash } = chain.head;
    const key = client.api.query.timestamp.now.key() as Hex;
    const operation = await raw.result<{ result: string; operationId: string }>(
      'chainHead_v1_storage',
      subscription,
      hash,
      [{ key, type: 'value' }],
    );
    assert.equal(operation.result, 'started');
    const { items, operationId } = await until('operationStorageItems');
    assert.equal(operationId, operation.operationId);
    assert.deepEqual(items, [{ key, value: await raw.result('state_getStorage', key, hash) }]);
    await until('operationStorageDone');
    await raw.result('chainHead_v1_call', subscription, hash, 'Core_version', '0x');
    assert.match(String((await until('operationCallDone'))['output']), /^0x/);
    await raw.result('chainHead_v1_body', subscription, hash);
    assert.equal(((await until('operationBodyDone'))['value'] as unknown[]).length, 1);
    assert.match(await raw.result<string>('chainHead_v1_header', subscription, hash), /^0x/);
    await raw.result('chainHead_v1_unfollow', subscription);
    assert.deepEqual(await raw.result('chainHead_v1_body', subscription, hash), { result: 'limitReached' });
  });
});
