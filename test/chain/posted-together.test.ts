import assert from 'node:assert/strict';
import type { ApiPromise } from '@polkadot/api';
import { connectChain, postedTogether, type Chain, type MessageCalls } from '../../src/chain/index.ts';
import { concatBytes, fromHex, toHex, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { openWallet, testWorker, utf8, type Wallet } from './support.ts';

const worker = testWorker(1);
const other = testWorker(2);

describe('an extrinsic that does nothing but post messages of a worker', () => {
  let dev: DevChain;
  let chain: Chain;
  let wallet: Wallet;
  let tx: ApiPromise['tx'];
  let calls: MessageCalls;

  before(async () => {
    dev = await startDevChain();
    chain = await connectChain({ endpoints: [dev.ws] });
    wallet = await openWallet(dev.ws);
    ({ tx } = wallet.api);
    calls = await chain.at((await chain.bestHead()).hash).messageCalls();
  });

  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await chain.stop();
    await dev.stop();
  });

  const message = (sequence: bigint, { identity } = worker) =>
    tx.phalaMq.syncOffchainMessage({
      message: {
        sender: toHex(concatBytes(Uint8Array.of(2), fromHex(identity))),
        destination: toHex(utf8('to')),
        payload: toHex(utf8('what')),
      },
      sequence,
      signature: `0x${'cd'.repeat(64)}`,
    });

  /** Sequences of what it posts; undefined where it does something else. */
  async function read(call: ReturnType<typeof message>, options: object = {}): Promise<bigint[] | undefined> {
    const extrinsic = await call.signAsync(wallet.alice, options);
    return postedTogether(extrinsic.toHex(), worker.identity, calls)?.map(({ sequence }) => sequence);
  }

  it('is one call, or a batch that comes to nothing where one of them does', async () => {
    assert.deepEqual(await read(message(7n)), [7n]);
    assert.deepEqual(await read(tx.utility.batchAll([message(7n), message(9n)])), [7n, 9n]);
    assert.deepEqual(await read(tx.utility.batchAll([])), []);
  });

  it('is so whatever its era, its nonce and its tip', async () => {
    for (const options of [{ era: 0 }, { nonce: 70_000, tip: 5n }, { tip: 2n ** 100n }])
      assert.deepEqual(await read(message(7n), options), [7n]);
  });

  it('is none of which a part may come in alone', async () => {
    assert.equal(await read(tx.utility.batch([message(7n), message(8n)])), undefined);
    assert.equal(await read(tx.utility.forceBatch([message(7n), message(8n)])), undefined);
  });

  it('is none that does something else too, or for somebody else', async () => {
    const { alice } = wallet;
    const push = tx.phalaMq.pushMessage('0x01', '0x02');
    for (const call of [
      push,
      message(7n, other),
      tx.utility.batchAll([push, message(7n)]),
      tx.utility.batchAll([message(7n), push]),
      tx.utility.batchAll([message(7n), message(7n, other)]),
      tx.utility.batchAll([tx.utility.batchAll([message(7n)])]),
      tx.utility.asDerivative(0, message(7n)),
      tx.proxy.proxy({ Id: alice.address }, null, message(7n)),
      tx.multisig.asMultiThreshold1([wallet.bob.address], message(7n)),
      tx.sudo.sudoAs({ Id: alice.address }, message(7n)),
    ])
      assert.equal(await read(call), undefined, call.method.method);
  });

  it('is nothing else that looks like it', async () => {
    const whole = (await message(7n).signAsync(wallet.alice)).toHex();
    const readWhole = (hex: Hex) => postedTogether(hex, worker.identity, calls);
    assert.equal(readWhole(whole)?.length, 1);
    assert.equal(readWhole(`${whole}00`), undefined, 'more behind it');
    assert.equal(readWhole(whole.slice(0, -2) as Hex), undefined, 'cut short');
    assert.equal(readWhole(message(7n).toHex()), undefined, 'not signed');
    assert.equal(postedTogether(whole, worker.identity, { ...calls, one: undefined }), undefined, 'by another runtime');
  });
});
