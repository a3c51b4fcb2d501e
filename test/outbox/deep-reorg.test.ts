import assert from 'node:assert/strict';
import { connectChain, type Chain } from '../../src/chain/index.ts';
import { equalBytes } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, type Outbox, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { currentKey } from '../support/vaults.ts';

/** Nearly an era: what the chain takes back is deeper than what counts as deep where finality lags. */
const finalityLag = 60;
/** Blocks that come before the reorg. */
const depth = 40;

describe('outbox: a reorg deeper than what counts as settled, while finality lags', function () {
  this.timeout(300_000);

  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let chain: Chain;
  let sender: Vault;
  let recipient: Vault;
  let first: number;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag });
    chain = await connectChain({ endpoints: [dev.ws] });
    [sender, recipient] = (await registered(chain, folder.path, ['a', 'b'])) as [Vault, Vault];
    await dev.newBlock({ count: finalityLag, empty: true });
  });

  beforeEach(() => {
    first = dev.head.number + 1;
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await chain.stop();
    await dev.stop();
    await folder.remove();
  });

  async function started(): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    const box = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice });
    open.push(box);
    await box.start();
    return box;
  }

  const send = (box: Outbox, text: string, as: 'worker' | 'account'): Promise<Receipt> =>
    box.send({ to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as });

  const command = async (box: Outbox, topic: string, as: 'worker' | 'account'): Promise<Receipt> =>
    box.send({
      ...({ suite: 'phala', topic: utf8(topic), content: utf8('run'), as } as const),
      recipientKey: await currentKey(recipient),
    });

  /** Blocks come until all are final. */
  async function finalized(...receipts: readonly Receipt[]): Promise<void> {
    const reached = Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
    const over = new AbortController();
    const end = (): void => over.abort();
    reached.then(end, end);
    while (!over.signal.aborted) await dev.newBlock();
    await reached;
  }

  async function assertOnceInOrder(topic: string, ...receipts: readonly Receipt[]): Promise<void> {
    assert.deepEqual(
      await postedNonces(chain, recipient, first),
      receipts.map(({ nonce }) => nonce),
    );
    let times = 0;
    for (let number = first; number <= dev.head.number; number++) {
      const head = (await chain.headAt(number)) ?? assert.fail('it is there');
      const messages = await chain.at(head.hash).outboundMessages();
      times += messages.filter(({ destination }) => equalBytes(destination, utf8(topic))).length;
    }
    assert.equal(times, 1, 'the command');
  }

  for (const as of ['worker', 'account'] as const)
    for (const isKept of [true, false])
      it(`that ${isKept ? 'gives back' : 'loses'} what a ${as} posted leaves each once, in order`, async () => {
        const topic = `lost ${as} ${isKept}`;
        const box = await started();
        const before = dev.head.number;
        const sent = [await send(box, 'one', as), await send(box, 'two', as)];
        const commanded = await command(box, topic, as);
        for (const receipt of [...sent, commanded]) await receipt.reached('inBlock');
        await dev.newBlock({ count: depth, empty: true });
        sent.push(await send(box, 'three', as));
        await sent.at(-1)?.reached('inBlock');
        await dev.reorg(before, { resubmit: isKept });
        await finalized(...sent, commanded);
        await assertOnceInOrder(topic, ...sent);
      });
});
