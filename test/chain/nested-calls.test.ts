import assert from 'node:assert/strict';
import { createKeyMulti } from '@polkadot/util-crypto';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { alice, openWallet, signedEndpoints, testWorker, type Wallet } from './support.ts';

type Call = Parameters<Wallet['post']>[0];

const noWeight = { refTime: 0, proofSize: 0 };
const enoughWeight = { refTime: 50_000_000_000, proofSize: 1_000_000 };

describeOnChains('The worker that a call touches is found', {}, (ground) => {
  let chain: Chain;
  let wallet: Wallet;
  before(async () => {
    chain = await connectChain({ endpoints: [ground.ws] });
    wallet = await openWallet(ground.ws);
    // Alice acts for Bob.
    await wallet.post(wallet.api.tx.proxy.addProxy(wallet.alice.address, 'Any', 0), wallet.bob);
    const workers = Array.from({ length: wrappers.length }, (_, i) => testWorker(i + 1));
    await chain.submit(
      workers.map(({ identity, ecdhKey }) => ({ kind: 'register-worker', identity, ecdhKey })),
      alice,
    );
  });
  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await chain.stop();
  });

  /** By what it is wrapped in; each posts the call in a way in which it runs, and gives the block. */
  const wrappers: [string, (inner: Call, wallet: Wallet) => Promise<Hex>][] = [
    ['in a batch', by(({ tx }, inner) => tx.utility.batch([inner]))],
    ['in a batchAll', by(({ tx }, inner) => tx.utility.batchAll([inner]))],
    ['in a forceBatch', by(({ tx }, inner) => tx.utility.forceBatch([inner]))],
    ['as a derivative account', by(({ tx }, inner) => tx.utility.asDerivative(7, inner))],
    ['by a proxy', by(({ tx }, inner) => tx.proxy.proxy(wallet.bob.address, null, inner))],
    ['by sudo', by(({ tx }, inner) => tx.sudo.sudo(tx.utility.dispatchAs(signedByAlice(), inner)))],
    [
      'by sudo of any weight',
      by(({ tx }, inner) => tx.sudo.sudoUncheckedWeight(tx.utility.dispatchAs(signedByAlice(), inner), noWeight)),
    ],
    ['by sudo as another', by(({ tx }, inner) => tx.sudo.sudoAs(wallet.bob.address, inner))],
    ['by a multisig of one', by(({ tx }, inner) => tx.multisig.asMultiThreshold1([wallet.bob.address], inner))],
    ['by a multisig of two', byTwo],
    [
      'deep in several',
      by(({ tx }, inner) =>
        tx.utility.batch([
          tx.proxy.proxy(
            wallet.bob.address,
            null,
            tx.utility.asDerivative(1, tx.multisig.asMultiThreshold1([wallet.alice.address], inner)),
          ),
        ]),
      ),
    ],
  ];
  for (const [i, [how, post]] of wrappers.entries())
    it(how, async () => {
      const worker = testWorker(i + 1);
      const signed = await signedEndpoints(chain, worker, [`http://${i}.example`]);
      const { identity, endpoints, signingTime, signature } = signed;
      const update = wallet.api.tx.phalaRegistry.updateWorkerEndpoint(
        { pubkey: identity, versionedEndpoints: { V1: endpoints }, signingTime },
        toHex(signature),
      );
      const view = chain.at(await post(update, wallet));
      assert.deepEqual(await view.touchedWorkers(), { ids: [identity], gatekeepers: false, complete: true });
      assert.deepEqual((await view.worker(identity))?.endpoints, endpoints);
    });

  function by(wrap: (api: Wallet['api'], inner: Call) => Call) {
    return (inner: Call, { api, alice: poster, post }: Wallet): Promise<Hex> => post(wrap(api, inner), poster);
  }

  function signedByAlice(): { system: { Signed: string } } {
    return { system: { Signed: wallet.alice.address } };
  }
});

/** One proposes it by its hash, the other one lets it run: only then the chain has the call. */
async function byTwo(inner: Call, { api, alice: one, bob: two, post }: Wallet): Promise<Hex> {
  const { asMulti, approveAsMulti } = api.tx.multisig;
  const { hash } = inner.method;
  await post(approveAsMulti(2, [two.address], null, hash, enoughWeight), one);
  const proposed = await api.query.multisig.multisigs(createKeyMulti([one.address, two.address], 2), hash);
  return post(asMulti(2, [one.address], proposed.unwrap().when, inner, enoughWeight), two);
}
