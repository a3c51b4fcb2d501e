import assert from 'node:assert/strict';
import { Runtime } from '../../src/chain/runtime/runtime.ts';
import { outcomeOf } from '../../src/chain/submit/dispatch-outcome.ts';
import type { ItemFailure } from '../../src/chain/index.ts';
import { fromHex, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { openWallet, testWorker, withCode, type Wallet } from './support.ts';

describe('outcome of a dispatch', () => {
  let dev: DevChain;
  let wallet: Wallet;
  let runtime: Runtime;
  before(async () => {
    dev = await startDevChain();
    wallet = await openWallet(dev.ws);
    const addProxy = wallet.api.tx.proxy.addProxy(wallet.alice.address, 'Any', 0);
    await wallet.post(addProxy, wallet.bob);
    const metadata = (await wallet.api.rpc.state.getMetadata()).toHex();
    runtime = new Runtime({ specName: 'khala-dev', specVersion: 100, transactionVersion: 1 }, metadata);
  });
  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await dev.stop();
  });

  /** Of the extrinsic after the timestamp's. */
  async function outcome(call: Parameters<Wallet['post']>[0]): Promise<readonly ItemFailure[]> {
    const hash = await wallet.post(call, wallet.alice);
    const events = (await (await wallet.api.at(hash)).query.system.events()).toHex();
    const { failures, failure } = outcomeOf(runtime, fromHex(events), 1);
    if (failure !== undefined) throw failure;
    return failures;
  }

  const { identity } = testWorker(9);
  const failing = (): ReturnType<typeof call> => call('phalaRegistry', 'registerGatekeeper', identity);
  const call = (section: string, method: string, ...args: unknown[]): Parameters<Wallet['post']>[0] =>
    wallet.api.tx[section]![method]!(...args);

  it('passes what did not fail', async () => {
    assert.deepEqual(await outcome(call('system', 'remark', '0x01')), []);
  });

  it('names the error inside sudo', () =>
    assert.rejects(
      outcome(call('sudo', 'sudo', failing())),
      withCode('dispatch-failed', 'PhalaRegistry.WorkerNotFound'),
    ));

  it('names the error inside a batch that stopped', () =>
    assert.rejects(
      outcome(call('utility', 'batch', [call('system', 'remark', '0x01'), failing()])),
      withCode('dispatch-failed', 'BadOrigin'),
    ));

  it('names the error inside a proxied call', () =>
    assert.rejects(
      outcome(call('proxy', 'proxy', wallet.bob.address, null, failing())),
      withCode('dispatch-failed', 'BadOrigin'),
    ));

  it('names the error inside a multisig', () =>
    assert.rejects(
      outcome(
        call('sudo', 'sudo', call('utility', 'dispatchAs', { system: { Signed: wallet.bob.address } }, failing())),
      ),
      withCode('dispatch-failed', 'BadOrigin'),
    ));

  it('names errors of no pallet', () =>
    assert.rejects(
      outcome(call('balances', 'forceTransfer', wallet.bob.address, wallet.alice.address, 1)).catch(
        (error: unknown) => {
          // The official library reports it before anyone looks at the events.
          assert.match(String(error), /BadOrigin/);
          throw error;
        },
      ),
    ));

  it('lists the items of a forced batch that failed', async () => {
    const items = [call('system', 'remark', '0x01'), failing(), call('system', 'remark', '0x02'), failing()];
    const failures = await outcome(call('utility', 'forceBatch', items));
    assert.deepEqual(
      failures.map(({ index, pallet, error }: { index: Hex | number; pallet: string; error: string }) => [
        index,
        pallet,
        error,
      ]),
      [
        [1, 'Dispatch', 'BadOrigin'],
        [3, 'Dispatch', 'BadOrigin'],
      ],
    );
  });
});
