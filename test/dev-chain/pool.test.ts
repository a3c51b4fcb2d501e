import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { assemble } from '../../src/dev-chain/assemble.ts';
import type { Runtimes } from '../../src/dev-chain/executor/runtime.ts';
import { Pool, type PoolTransaction } from '../../src/dev-chain/pool/pool.ts';
import { Submitter } from '../../src/dev-chain/pool/submitter.ts';
import { RpcError } from '../../src/dev-chain/rpc/rpc-error.ts';
import { connect, RawClient, type TestApi } from './support.ts';

const minute = 60_000;

function transaction(name: string, more: Partial<PoolTransaction> = {}): PoolTransaction {
  const hex: Hex = `0x${Buffer.from(name).toString('hex')}`;
  return { hash: hex, extrinsic: hex, priority: 1n, requires: [], provides: [hex], longevity: 64n, ...more };
}

const code = (expected: number) => (error: unknown) => error instanceof RpcError && error.code === expected;

describe('dev-chain: the pool', () => {
  let clock = 0;
  const create = (): Pool => new Pool(() => clock, { transactions: 4, bytes: 1_000 });

  it('orders by tags first and by priority then', () => {
    const pool = create();
    const [first, second, other] = [
      transaction('first'),
      transaction('second', { requires: ['0x6669727374'], priority: 9n }),
      transaction('other', { priority: 5n }),
    ];
    for (const one of [second, first, other]) pool.add(one);
    assert.deepEqual(pool.ready(), [other, first, second]);
  });

  it('holds back what waits for another until that is in a block', () => {
    const pool = create();
    const waiting = transaction('waiting', { requires: ['0x6669727374'] });
    pool.add(waiting);
    assert.deepEqual(pool.ready(), []);
    const first = transaction('first');
    pool.add(first);
    pool.included([first.extrinsic]);
    assert.deepEqual(pool.ready(), [waiting]);
  });

  it('takes out what has died of age, ready or not, so that another may take its place', () => {
    const pool = create();
    const waiting = transaction('waiting', { requires: ['0x6669727374'], longevity: 2n });
    pool.add(waiting);
    pool.included([]);
    assert.deepEqual(pool.expire(), []);
    pool.included([]);
    assert.deepEqual(pool.expire(), [waiting]);
    assert.deepEqual(pool.all, []);
    pool.add(transaction('again', { provides: waiting.provides }));
  });

  it('knows the tags of blocks that were built while a transaction was validated', () => {
    const pool = create();
    const first = transaction('first');
    pool.add(first);
    pool.included([first.extrinsic]);
    const late = transaction('late', { requires: first.provides });
    pool.add(late);
    assert.deepEqual(pool.ready(), [late]);
  });

  it('refuses with 1013 what it has', () => {
    const pool = create();
    pool.add(transaction('one'));
    assert.throws(() => pool.add(transaction('one')), code(1013));
  });

  it('refuses with 1014 a rival of no higher priority, and lets a stronger one replace it', () => {
    const pool = create();
    const one = transaction('one', { provides: ['0xaa'] });
    pool.add(one);
    assert.throws(() => pool.add(transaction('two', { provides: ['0xaa'] })), code(1014));
    const stronger = transaction('three', { provides: ['0xaa'], priority: 2n });
    assert.deepEqual(pool.add(stronger), [one]);
    assert.deepEqual(pool.ready(), [stronger]);
  });

  it('refuses with 1012 what was in a block or invalid, for half an hour', () => {
    const pool = create();
    const [one, two] = [transaction('one'), transaction('two')];
    for (const each of [one, two]) pool.add(each);
    pool.included([one.extrinsic]);
    pool.reject(two.extrinsic);
    for (const each of [one, two]) assert.throws(() => pool.add(each), code(1012));
    clock += 29 * minute;
    assert.throws(() => pool.add(one), code(1012));
    clock += 2 * minute;
    pool.add(one);
  });

  it('refuses with 1016 what does not fit', () => {
    const pool = create();
    assert.throws(() => pool.add(transaction('large', { extrinsic: `0x${'00'.repeat(2_000)}` })), code(1016));
    for (const name of ['a', 'b', 'c', 'd']) pool.add(transaction(name));
    assert.throws(() => pool.add(transaction('e')), code(1016));
  });
});

describe('dev-chain: submission', () => {
  let chain: DevChain;
  let client: TestApi;
  let raw: RawClient;

  before(async () => {
    // Blocks come only when a test builds them.
    chain = await startDevChain({ blockTimeMs: 2 ** 31 - 1 });
    client = await connect(chain.ws);
    raw = await RawClient.open(chain.ws);
  });

  after(async () => {
    raw[Symbol.dispose]();
    await client.api.disconnect();
    await chain.stop();
  });

  const nextNonce = (): Promise<number> => raw.result('system_accountNextIndex', client.alice.address);
  const submit = (extrinsic: Hex) => raw.ask('author_submitExtrinsic', extrinsic);

  it('answers with the codes of a node', async () => {
    const nonce = await nextNonce();
    const extrinsic = await client.sign(client.transfer(1n), nonce);
    const { result } = await submit(extrinsic);
    assert.match(String(result), /^0x[0-9a-f]{64}$/);
    assert.deepEqual((await submit(extrinsic)).error, {
      code: 1013,
      message: 'Transaction Already Imported',
      data: result,
    });
    const rival = await submit(await client.sign(client.transfer(2n), nonce));
    assert.equal(rival.error?.code, 1014);
    assert.match(rival.error.message, /^Priority is too low: \(\d+ vs \d+\)$/);
    assert.deepEqual(await raw.result('author_pendingExtrinsics'), [extrinsic]);
    await chain.newBlock();
    assert.equal((await submit(extrinsic)).error?.code, 1012);
    assert.deepEqual((await submit(await client.sign(client.transfer(3n), nonce))).error, {
      code: 1010,
      message: 'Invalid Transaction',
      data: 'Transaction is outdated',
    });
    const last = extrinsic.at(-1) === '0' ? '1' : '0';
    assert.equal((await submit(`${extrinsic.slice(0, -1)}${last}` as Hex)).error?.code, 1010);
    assert.equal((await submit('0x1234')).error?.code, 1001);
    assert.equal((await submit('0x10deadbeef')).error?.code, 1002);
    const bare: Hex = client.transfer(1n).toHex();
    assert.ok([1010, 1011].includes((await submit(bare)).error!.code));
  });

  it('keeps a nonce too high for later and takes it when its turn comes', async () => {
    const nonce = await nextNonce();
    const [first, second] = [
      await client.sign(client.transfer(1n), nonce),
      await client.sign(client.transfer(1n), nonce + 1),
    ];
    const later = await raw.result<string>('author_submitAndWatchExtrinsic', second);
    assert.equal(await raw.next(later), 'future');
    assert.equal(await nextNonce(), nonce);
    await raw.result('author_submitExtrinsic', first);
    assert.equal(await nextNonce(), nonce + 2);
    const { hash } = await chain.newBlock();
    assert.deepEqual(await raw.next(later), { inBlock: hash });
    assert.deepEqual(await raw.next(later), { finalized: hash });
  });

  it('leaves out what became invalid in the meantime and keeps the rest', async () => {
    const nonce = await nextNonce();
    const all = await client.sign(client.api.tx.balances.transferAll(client.bob.address, false), nonce);
    const broke = await client.sign(client.transfer(1_000_000_000_000n), nonce + 1);
    const bobs = await client.sign(
      client.transfer(1n),
      await raw.result<number>('system_accountNextIndex', client.bob.address),
      client.bob,
    );
    const [first, second, third] = await Promise.all(
      [all, broke, bobs].map((extrinsic) => raw.result<string>('author_submitAndWatchExtrinsic', extrinsic)),
    );
    for (const watched of [first, second, third]) assert.equal(await raw.next(watched!), 'ready');
    const { hash } = await chain.newBlock();
    assert.deepEqual(await raw.next(first!), { inBlock: hash });
    assert.deepEqual(await raw.next(third!), { inBlock: hash });
    assert.equal(await raw.next(second!), 'invalid');
    assert.deepEqual(await raw.result('author_pendingExtrinsics'), []);
  });

  it('puts what does not fit into one block into the next', async () => {
    const bob = client.bob;
    const nonce = await raw.result<number>('system_accountNextIndex', bob.address);
    const large = client.api.tx.system.remark('0x' + '00'.repeat(2_000_000));
    for (const add of [0, 1]) {
      await raw.result('author_submitExtrinsic', await client.sign(large, nonce + add, bob));
    }
    await chain.newBlock();
    const left = await raw.result<Hex[]>('author_pendingExtrinsics');
    assert.equal(left.length, 1);
    await chain.newBlock();
    assert.deepEqual(await raw.result('author_pendingExtrinsics'), []);
  });

  it('takes no second extrinsic of a nonce where a block takes the first while it is validated', async () => {
    const { node, server, executor } = await assemble({ blockTimeMs: 2 ** 31 - 1 }, '127.0.0.1');
    try {
      const nonce = 0;
      const [first, second] = [
        await client.sign(client.transfer(1n), nonce),
        await client.sign(client.transfer(2n), nonce),
      ];
      await node.submit(first);
      let isBuilt = false;
      const runtimes = {
        call: async (...call: Parameters<Runtimes['call']>) => {
          const result = await node.runtimes.call(...call);
          if (!isBuilt) await node.newBlock();
          isBuilt = true;
          return result;
        },
      };
      const submitter = new Submitter(node.pool, node.blocks, runtimes, (extrinsic) => node.hashOf(extrinsic));
      await assert.rejects(submitter.submit(second), code(1010));
      assert.deepEqual(node.pool.all, []);
    } finally {
      await server.stop();
      await Promise.all([node.stop(), executor.stop()]);
    }
  });

  it('tells fees and what would become of an extrinsic', async () => {
    const nonce = await raw.result<number>('system_accountNextIndex', client.bob.address);
    const extrinsic = await client.sign(client.transfer(1n), nonce, client.bob);
    const info = await raw.result<{ weight: object; class: string; partialFee: string }>(
      'payment_queryInfo',
      extrinsic,
    );
    assert.equal(info.class, 'normal');
    assert.ok(BigInt(info.partialFee) > 0n);
    const { partialFee } = await client.transfer(1n).paymentInfo(client.bob.address);
    assert.ok(partialFee.toBigInt() > 0n);
    const details = await raw.result<{ inclusionFee: { lenFee: Hex } }>('payment_queryFeeDetails', extrinsic);
    assert.ok(BigInt(details.inclusionFee.lenFee) > 0n);
    assert.equal(await raw.result('system_dryRun', extrinsic), '0x0000');
    assert.equal(await raw.result('system_accountNextIndex', client.bob.address), nonce);
  });
});
