import assert from 'node:assert/strict';
import type { Call, Chain } from '../../src/chain/index.ts';
import { connectChain, signedMessagesIn } from '../../src/chain/index.ts';
import { equalBytes, topicOf, type Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox, type Outbox, type OutboxOptions, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { openWallet, type Wallet } from '../chain/support.ts';
import { alice, directoryOf, registered, temporaryFolder, utf8 } from '../support/entities.ts';
import { postedNonces } from '../support/posted-nonces.ts';
import { replacing } from '../support/replacing.ts';
import { startRpcProxy, type Alter, type RpcProxy } from '../support/rpc-proxy.ts';

const kinds = ['worker', 'account'] as const;
type Kind = (typeof kinds)[number];
/** Where finality lags an era is anchored so far below the best block (src/chain/submit/settled-number.ts). */
const deepBlocks = 32;
/** Of a message, of which some fill an extrinsic. */
const bytes = 500_000;
const asIs: Alter = (_method, _params, result) => result;

describe('outbox: the extrinsics that it posts', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let direct: Chain;
  let wallet: Wallet;
  let sender: Vault;
  let recipient: Vault;
  let first: number;
  /** Of the outboxes of one test, as they were handed to the node. */
  let extrinsics: Hex[];
  let proxy: RpcProxy;
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
    extrinsics = [];
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

  /** A connection to the chain that writes down what is posted. */
  async function recorded(ws = dev.ws, alter = asIs): Promise<Chain> {
    proxy = await startRpcProxy(ws, alter);
    open.push(proxy);
    proxy.hold = (method, [extrinsic]) => {
      if (method.startsWith('author_submit')) extrinsics.push(extrinsic as Hex);
      return undefined;
    };
    const chain = await connectChain({ endpoints: [proxy.ws] });
    open.push(chain);
    return chain;
  }

  async function outbox(chain: Chain, options: Partial<OutboxOptions> = {}): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    const box = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice, ...options });
    open.push(box);
    return box;
  }

  async function queue(box: Outbox, as: Kind, contents: readonly Uint8Array[]): Promise<Receipt[]> {
    const receipts: Receipt[] = [];
    for (const content of contents)
      receipts.push(await box.send({ to: recipient.identity, body: { kind: 'data', content }, as, via: 'chain' }));
    return receipts;
  }

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
      const chain = await recorded();
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
      const box = await outbox(await recorded());
      await box.start();
      const [finalizedThen, best] = [await direct.finalizedHead(), await direct.bestHead()];
      assert.ok(finalizedThen.number < best.number);
      await finalized(await queue(box, as, nothing(1)));
      const [era] = extrinsics.map((extrinsic) => decoded(extrinsic).era);
      assert.equal(era?.isMortalEra, true);
      assert.equal(era.asMortalEra.birth(best.number), finalizedThen.number);
      assert.equal(era.asMortalEra.death(best.number), finalizedThen.number + 64);
    });

    it(`hold what the chain takes by bytes, in order, and none is refused, as ${as}`, async () => {
      const contents = Array.from({ length: 8 }, () => new Uint8Array(bytes));
      const chain = await recorded();
      const box = await outbox(chain);
      const receipts = await queue(box, as, contents);
      await box.start();
      await finalized(receipts);
      const most = Math.floor(chain.info.maxExtrinsicBytes / bytes);
      assert.equal(extrinsics.length, Math.ceil(contents.length / most));
      await cameInAsQueued(receipts);
    });

    it(`hold as many calls as the runtime takes in a batch, in order, and none is refused, as ${as}`, async () => {
      const mostCalls = 7;
      const chain = await recorded(dev.ws, (method, _params, result) =>
        method === 'state_getMetadata' ? withCallsLimit(result as Hex, mostCalls) : result,
      );
      const box = await outbox(chain);
      const receipts = await queue(box, as, nothing(20));
      await box.start();
      await finalized(receipts);
      assert.deepEqual(messagesIn(extrinsics, as), [7, 7, 6]);
      await cameInAsQueued(receipts);
    });

    it(`hold what the runtime says that a block can bear, in order, and none is refused, as ${as}`, async () => {
      const heavier = 200n;
      const chain = await recorded(dev.ws, (method, [call], result) =>
        method === 'state_call' && call === 'TransactionPaymentApi_query_info'
          ? weighing(result as Hex, heavier)
          : result,
      );
      const box = await outbox(chain);
      const receipts = await queue(box, as, nothing(50));
      await box.start();
      await finalized(receipts);
      const counts = messagesIn(extrinsics, as);
      const [most = 0] = counts;
      assert.ok(counts.length > 1 && counts.slice(0, -1).every((count) => count === most), counts.join());
      const limit = wallet.api.consts.system.blockWeights.perClass.normal.maxExtrinsic.unwrap().refTime.toBigInt();
      assert.ok((await weightOf(chain, most, as)) <= limit);
      assert.ok((await weightOf(chain, most + 1, as)) > limit, `${most + 1} would fit too`);
      await cameInAsQueued(receipts);
    });
  }

  for (const as of kinds)
    it(`are anchored deep below the best block where finality lags, and come in, as ${as}`, async () => {
      const lagging = await startDevChain({ finalityLag: 200 });
      open.push(lagging);
      const chain = await recorded(lagging.ws);
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
    const chain = await recorded();
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

  /** All, in order, each once, by extrinsics of which the node refused none and was given none twice. */
  async function cameInAsQueued(receipts: readonly Receipt[]): Promise<void> {
    assert.deepEqual(
      await postedNonces(direct, recipient, first),
      receipts.map(({ nonce }) => nonce),
    );
    assert.deepEqual(proxy.refused, []);
    assert.equal(new Set(extrinsics).size, extrinsics.length);
  }

  function messagesIn(posted: readonly Hex[], as: Kind): number[] {
    const topic = topicOf(recipient.identity);
    return posted.map((extrinsic) => {
      if (as === 'worker') return signedMessagesIn(extrinsic, sender.identity).length;
      const calls = decoded(extrinsic).method.args[0] as unknown as {
        readonly args: readonly { toU8a(bare: true): Uint8Array }[];
      }[];
      return calls.filter(({ args: [destination] }) => destination && equalBytes(destination.toU8a(true), topic))
        .length;
    });
  }

  async function weightOf(chain: Chain, count: number, as: Kind): Promise<bigint> {
    const message = { destination: topicOf(recipient.identity), payload: new Uint8Array(180) };
    const call: Call =
      as === 'account'
        ? { kind: 'push-message', ...message }
        : {
            kind: 'sync-offchain-message',
            worker: sender.identity,
            ...{ ...message, sequence: 0n, signature: new Uint8Array(64) },
          };
    const calls = Array.from({ length: count }, () => call);
    return (await chain.costOf(calls, alice, { batch: as === 'worker' ? 'all' : 'each' })).refTime;
  }
});

/** Metadata with another `Utility.batched_calls_limit`: its name, the type's number, and four bytes. */
function withCallsLimit(metadata: Hex, most: number): Hex {
  const name = Buffer.from('batched_calls_limit').toString('hex');
  const value = Buffer.alloc(4);
  value.writeUInt32LE(most);
  const changed = metadata.replace(
    new RegExp(`(${name}(?:[0-9a-f]{2}){1,2}?10)[0-9a-f]{8}`),
    `$1${value.toString('hex')}`,
  );
  assert.notEqual(changed, metadata);
  return changed as Hex;
}

/** RuntimeDispatchInfo with so many times its weight: two compact integers lead it. */
function weighing(info: Hex, times: bigint): Hex {
  const bytes = Buffer.from(info.slice(2), 'hex');
  const [refTime, length] = readCompact(bytes);
  return `0x${Buffer.concat([bigCompact(refTime * times), bytes.subarray(length)]).toString('hex')}`;
}

/** SCALE compact, as far as a weight needs it. */
function readCompact(bytes: Buffer): readonly [value: bigint, length: number] {
  switch ((bytes[0] ?? 0) & 3) {
    case 0:
      return [BigInt(bytes.readUInt8() >> 2), 1];
    case 1:
      return [BigInt(bytes.readUInt16LE() >> 2), 2];
    case 2:
      return [BigInt(bytes.readUInt32LE() >>> 2), 4];
    default: {
      const count = ((bytes[0] ?? 0) >> 2) + 4;
      const digits = Buffer.from(bytes.subarray(1, 1 + count)).reverse();
      return [BigInt(`0x${digits.toString('hex')}`), 1 + count];
    }
  }
}

function bigCompact(value: bigint): Buffer {
  const bytes = Buffer.alloc(9);
  bytes[0] = ((8 - 4) << 2) | 3;
  bytes.writeBigUInt64LE(value, 1);
  return bytes;
}
