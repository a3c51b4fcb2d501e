import assert from 'node:assert/strict';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, type Outbox, type OutboxOptions, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { openWallet, type Wallet } from '../chain/support.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { replacing } from '../support/replacing.ts';
import { kinds, queueAll, recordedChain, type Kind, type RecordedChain } from './recorded.ts';

/** Where finality lags an era is anchored so far below the best block (src/chain/submit/settled-number.ts). */
const deepBlocks = 32;

describe('outbox: the extrinsics that it posts', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let wallet: Wallet;
  let sender: Vault;
  let recipient: Vault;
  let first: number;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag: 3 });
    direct = await connectChain({ endpoints: [dev.ws] });
    wallet = await openWallet(dev.ws);
    const vaults = registered(direct, folder.path, ['a', 'b']);
    await dev.newBlock({ count: 4 });
    [sender, recipient] = (await vaults) as [Vault, Vault];
  });

  beforeEach(async () => {
    // What other tests posted for the worker counts once it is final.
    await dev.newBlock({ count: 4, empty: true });
    first = (await direct.bestHead()).number + 1;
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await direct.stop();
    await dev.stop();
    await folder.remove();
  });

  async function recorded(ws = dev.ws): Promise<RecordedChain> {
    const chain = await recordedChain(ws);
    open.push(chain);
    return chain;
  }

  async function outbox(chain: Chain, options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    const box = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice, ...options });
    open.push(box);
    return box;
  }

  const queue = (box: Outbox, as: Kind, contents: readonly Uint8Array[]): Promise<Receipt[]> =>
    queueAll(box, recipient, as, contents);

  async function finalized(receipts: readonly Receipt[]): Promise<void> {
    await Promise.all(receipts.map((receipt) => receipt.reached('inBlock')));
    await dev.newBlock({ count: 3, empty: true });
    await Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
  }

  /** As the official library reads them. */
  const decoded = (extrinsic: Hex) => wallet.api.createType('Extrinsic', extrinsic);
  const nothing = (count: number): Uint8Array[] => Array.from({ length: count }, () => new Uint8Array(1));

  for (const as of kinds) {
    it(`pay the tip that was told, and none where none was, as ${as}`, async () => {
      const { chain, extrinsics } = await recorded();
      for (const options of [{ tip: 1_000_000n }, {}]) {
        const box = await outbox(chain, options);
        await box.start();
        await finalized(await queue(box, as, nothing(1)));
        await box.stop();
      }
      assert.deepEqual(
        extrinsics.map((extrinsic) => decoded(extrinsic).tip.toBigInt()),
        [1_000_000n, 0n],
      );
    });

    it(`are mortal, their era begun at the finalized block and not at the best, as ${as}`, async () => {
      const { chain, extrinsics } = await recorded();
      const box = await outbox(chain);
      await box.start();
      const [finalizedThen, best] = [await direct.finalizedHead(), await direct.bestHead()];
      assert.ok(finalizedThen.number < best.number);
      await finalized(await queue(box, as, nothing(1)));
      const [era] = extrinsics.map((extrinsic) => decoded(extrinsic).era);
      assert.equal(era?.isMortalEra, true);
      assert.equal(era.asMortalEra.birth(best.number), finalizedThen.number);
      assert.equal(era.asMortalEra.death(best.number), finalizedThen.number + 64);
    });
  }

  for (const as of kinds)
    it(`are anchored deep below the best block where finality lags, and come in, as ${as}`, async () => {
      const lagging = await startDevChain({ finalityLag: 200 });
      open.push(lagging);
      const { chain, extrinsics } = await recorded(lagging.ws);
      const [a, b] = (await registered(chain, folder.path, [`a-${as}`, `b-${as}`])) as [Vault, Vault];
      await lagging.newBlock({ count: 40, empty: true });
      const [finalizedThen, best] = [await chain.finalizedHead(), await chain.bestHead()];
      assert.equal(finalizedThen.number, 0);
      extrinsics.length = 0;
      const directory = await directoryOf(b);
      const box = await outbox(chain, { vault: a, directory });
      await box.start();
      const receipt = await box.send({ to: b.identity, body: { kind: 'data', content: utf8('x') }, as, via: 'chain' });
      await receipt.reached('inBlock');
      assert.equal(decoded(extrinsics[0] ?? '0x').era.asMortalEra.birth(best.number), best.number - deepBlocks);
    });

  it('of an account: a call that the chain refuses fails alone, and sinks none of the others', async () => {
    const { chain, extrinsics } = await recorded();
    const refused: Call = {
      kind: 'sync-offchain-message',
      worker: sender.identity,
      ...{ destination: utf8('elsewhere'), payload: utf8('x'), sequence: 999_999n, signature: new Uint8Array(64) },
    };
    // The chain takes whatever an account pushes: the second call is one that it does not.
    const box = await outbox(
      replacing(chain, {
        post: (calls, account, options) =>
          chain.post(calls.length === 1 ? calls : calls.with(1, refused), account, options),
      }),
    );
    const receipts = await queue(box, 'account', nothing(4));
    const [one, failing, ...others] = receipts as [Receipt, Receipt, ...Receipt[]];
    await box.start();
    await finalized([one, ...others]);
    await assert.rejects(failing.reached('finalized'), { code: 'dispatch-failed', message: /BadSequence/ });
    assert.equal(extrinsics.length, 1);
    assert.deepEqual(
      await postedNonces(direct, recipient, first),
      [one, ...others].map(({ nonce }) => nonce),
    );
    await box.retry(failing.sendId);
    await finalized([(await box.receipt(failing.sendId))!]);
    assert.equal((await postedNonces(direct, recipient, first)).at(-1), failing.nonce);
  });
});
