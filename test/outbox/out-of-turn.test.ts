import assert from 'node:assert/strict';
import { connectChain, signedMessagesIn, type Chain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import type { RelayError } from '../../src/errors/index.ts';
import { createOutbox, type Outbox, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, bob, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { until } from '../support/until.ts';

const eraBlocks = 64;

describe('outbox: a nonce or a sequence whose turn has not come', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let proxy: RpcProxy;
  let sender: Vault;
  let recipient: Vault;
  let first: number;
  const setbacks: string[] = [];
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain({ finalityLag: 6 });
    direct = await connectChain({ endpoints: [dev.ws] });
    [sender, recipient] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
  });

  beforeEach(async () => {
    first = (await direct.bestHead()).number + 1;
    setbacks.length = 0;
    proxy = await startRpcProxy(dev.ws);
    open.push(proxy);
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await direct.stop();
    await dev.stop();
    await folder.remove();
  });

  async function started(): Promise<Outbox> {
    const box = await outbox();
    await box.start();
    return box;
  }

  async function outbox(): Promise<Outbox> {
    const chain = await connectChain({ endpoints: [proxy.ws], backoff: { minMs: 5, maxMs: 50 } });
    const directory = await directoryOf(recipient);
    const onSetback = ({ code }: RelayError): void => void setbacks.push(code);
    const store = openMemoryStore();
    const box = createOutbox({ chain, vault: sender, store, directory, account: alice, onSetback });
    open.push(chain, box);
    return box;
  }

  /** Nonces of the messages to the recipient since the test began. */
  const posted = (): Promise<bigint[]> => postedNonces(direct, recipient, first);

  const send = (box: Outbox, text: string, as: 'worker' | 'account'): Promise<Receipt> =>
    box.send({ to: recipient.identity, body: { kind: 'data', content: utf8(text) }, as });

  /** The next nonce that the node tells of is one too many, as where another's extrinsic waits that never comes in. */
  function skipNonce(): void {
    let left = 1;
    proxy.alter = (method, _, result) =>
      method === 'system_accountNextIndex' && left-- > 0 ? Number(result) + 1 : result;
  }

  const submitted = () => until(() => (proxy.asked.get('author_submitAndWatchExtrinsic') ?? 0) > 0);

  /** The account's other software does something. */
  const compete = () =>
    direct.submit([{ kind: 'push-message', destination: utf8('elsewhere'), payload: utf8('x') }], alice);

  /** As other software of the worker does, with this sequence. */
  async function usesSequence(sequence: bigint): Promise<void> {
    const message = { destination: utf8('elsewhere'), payload: utf8('x'), sequence };
    const signature = await sender.sign({ type: 'worker-message', ...message });
    await direct.submit([{ kind: 'sync-offchain-message', worker: sender.identity, ...message, signature }], bob);
  }

  /** Blocks come until all are final. */
  async function finalized(...receipts: readonly Receipt[]): Promise<void> {
    const reached = Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
    const ended = new AbortController();
    reached.then(
      () => ended.abort(),
      () => ended.abort(),
    );
    while (!ended.signal.aborted) await dev.newBlock({ empty: true });
    await reached;
  }

  for (const as of ['worker', 'account'] as const) {
    it(`of a future nonce: the message of a ${as} comes in as soon as the nonce before it is used`, async () => {
      const box = await started();
      skipNonce();
      const receipt = await send(box, 'future', as);
      await submitted();
      assert.deepEqual(await posted(), []);
      await compete();
      await receipt.reached('inBlock');
      await finalized(receipt);
      assert.deepEqual(await posted(), [receipt.nonce]);
    });

    it(`of a future nonce that nothing comes before: the message of a ${as} goes again when its era is over`, async () => {
      const box = await started();
      skipNonce();
      const receipt = await send(box, 'never its turn', as);
      await submitted();
      await dev.newBlock({ count: eraBlocks + 8, empty: true });
      await receipt.reached('inBlock');
      await finalized(receipt);
      assert.deepEqual(await posted(), [receipt.nonce]);
    });
  }

  it("of a worker's sequence: where other software of the worker uses the first, all come in, in order", async () => {
    const held: Hex[] = [];
    proxy.hold = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      held.push(extrinsic as Hex);
      return new Promise(() => undefined);
    };
    const box = await outbox();
    const receipts: Receipt[] = [];
    for (const text of ['first', 'second', 'third']) receipts.push(await send(box, text, 'worker'));
    await box.start();
    const [extrinsic] = await until(() => (held.length > 0 ? held : undefined));
    const signed = signedMessagesIn(extrinsic!, sender.identity);
    assert.equal(signed.length, 3, 'in one extrinsic');
    await usesSequence(signed[0]!.sequence);
    proxy.hold = () => undefined;
    proxy.cut();
    await finalized(...receipts);
    assert.deepEqual(
      await posted(),
      receipts.map(({ nonce }) => nonce),
    );
  });

  it("of a worker's sequence: what other software used in a block that is not final is waited for, and a reorg frees it", async () => {
    const carried: bigint[] = [];
    proxy.hold = (method, [extrinsic]) => {
      if (method.startsWith('author_submit'))
        carried.push(...signedMessagesIn(extrinsic as Hex, sender.identity).map(({ sequence }) => sequence));
      return undefined;
    };
    const { number, hash } = await direct.bestHead();
    const next = await direct.at(hash).ingressSequence(sender.identity);
    await usesSequence(next);
    const box = await started();
    const receipt = await send(box, 'behind it', 'worker');
    await until(() => setbacks.length > 0 || carried.length > 0);
    assert.deepEqual([setbacks[0], carried], ['sequence-unsettled', []]);
    await dev.reorg(number);
    await finalized(receipt);
    assert.deepEqual(carried, [next]);
    assert.deepEqual(await posted(), [receipt.nonce]);
  });

  it("of a worker's sequence: where a reorg loses the message before, both come in, in order", async () => {
    const box = await started();
    const receipts: Receipt[] = [];
    const { number } = await direct.bestHead();
    for (const text of ['first', 'second']) {
      receipts.push(await send(box, text, 'worker'));
      await receipts.at(-1)?.reached('inBlock');
    }
    let letThrough: () => void = () => undefined;
    const competed = new Promise<void>((resolve) => (letThrough = resolve));
    proxy.hold = (method) => (method.startsWith('author_submit') ? competed : undefined);
    await dev.reorg(number);
    // It takes the nonce of the first extrinsic: the second comes in alone, and its sequence leaves a gap.
    await compete();
    letThrough();
    await finalized(...receipts);
    assert.deepEqual(
      await posted(),
      receipts.map(({ nonce }) => nonce),
    );
  });

  it("of a worker's sequence: who posts the first message of each batch makes ever fewer come to nothing with it", async () => {
    const count = 10;
    let posted_ = 0;
    proxy.hold = (method, [extrinsic]) => {
      if (!method.startsWith('author_submit')) return undefined;
      const signed = signedMessagesIn(extrinsic as Hex, sender.identity);
      posted_ += signed.length;
      const [first_] = signed;
      if (first_ === undefined) return undefined;
      const { destination, payload, sequence, signature } = first_;
      const call = { kind: 'sync-offchain-message', worker: sender.identity, destination, payload } as const;
      // What was front-run before comes in with another.
      return direct.submit([{ ...call, sequence, signature }], bob).catch(() => undefined);
    };
    const box = await outbox();
    const receipts: Receipt[] = [];
    for (let n = 0; n < count; n++) receipts.push(await send(box, `${n}`, 'worker'));
    await box.start();
    await finalized(...receipts);
    assert.deepEqual(
      await posted(),
      receipts.map(({ nonce }) => nonce),
    );
    // Of all that is left each time it would be 10 + 9 + … + 1.
    assert.ok(posted_ <= 3 * count, `${posted_} were paid for`);
  });
});
