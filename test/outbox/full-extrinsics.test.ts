import assert from 'node:assert/strict';
import { connectChain, signedMessagesIn, type Call, type Chain } from '../../src/chain/index.ts';
import { equalBytes, topicOf, type Hex } from '../../src/codec/index.ts';
import { createOutbox, type Outbox, type Receipt } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { openWallet, type Wallet } from '../chain/support.ts';
import { alice, directoryOf, registered, temporaryFolder } from '../support/entities.ts';
import type { Alter } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { assertCameInAsQueued, kinds, queueAll, recordedChain, type Kind, type RecordedChain } from './recorded.ts';

/** Of a message, of which some fill an extrinsic. */
const bytes = 500_000;

describeOnChains('outbox: extrinsics that are full', {}, (node) => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let direct: Chain;
  let wallet: Wallet;
  let sender: Vault;
  let recipient: Vault;
  const open: AsyncDisposable[] = [];

  before(async () => {
    folder = await temporaryFolder();
    direct = await connectChain({ endpoints: [node.ws] });
    wallet = await openWallet(node.ws);
    [sender, recipient] = (await registered(direct, folder.path, ['a', 'b'])) as [Vault, Vault];
  });

  afterEach(async () => {
    for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]();
  });

  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await direct.stop();
    await folder.remove();
  });

  async function recorded(alter?: Alter): Promise<RecordedChain> {
    const chain = await recordedChain(node.ws, alter);
    open.push(chain);
    return chain;
  }

  /** Sends all of it, as one who finds it queued, and holds what came in against that. */
  async function post(recorded: RecordedChain, as: Kind, contents: readonly Uint8Array[]): Promise<void> {
    const first = (await direct.bestHead()).number + 1;
    const box = await outboxOn(recorded.chain);
    const receipts = await queueAll(box, recipient, as, contents);
    await box.start();
    await finalized(receipts);
    await assertCameInAsQueued(recorded, { to: recipient, first, receipts });
  }

  async function outboxOn(chain: Chain): Promise<Outbox> {
    const directory = await directoryOf(recipient);
    const box = createOutbox({ chain, vault: sender, store: openMemoryStore(), directory, account: alice });
    open.push(box);
    return box;
  }

  async function finalized(receipts: readonly Receipt[]): Promise<void> {
    await Promise.all(receipts.map((receipt) => receipt.reached('finalized')));
  }

  const nothing = (count: number): Uint8Array[] => Array.from({ length: count }, () => new Uint8Array(1));

  for (const as of kinds) {
    it(`hold what the chain takes by bytes, in order, and none is refused, as ${as}`, async () => {
      const contents = Array.from({ length: 8 }, () => new Uint8Array(bytes));
      const chain = await recorded();
      await post(chain, as, contents);
      const most = Math.floor(chain.chain.info.maxExtrinsicBytes / bytes);
      assert.equal(chain.extrinsics.length, Math.ceil(contents.length / most));
    });

    it(`hold as many calls as the runtime takes in a batch, in order, and none is refused, as ${as}`, async () => {
      const mostCalls = 7;
      const chain = await recorded((method, _params, result) =>
        method === 'state_getMetadata' ? withCallsLimit(result as Hex, mostCalls) : result,
      );
      await post(chain, as, nothing(20));
      assert.deepEqual(messagesIn(chain.extrinsics, as), [7, 7, 6]);
    });

    it(`hold what the runtime says that a block can bear, in order, and none is refused, as ${as}`, async () => {
      const heavier = 200n;
      const chain = await recorded((method, [call], result) =>
        method === 'state_call' && call === 'TransactionPaymentApi_query_info'
          ? weighing(result as Hex, heavier)
          : result,
      );
      await post(chain, as, nothing(50));
      const counts = messagesIn(chain.extrinsics, as);
      const [most = 0] = counts;
      assert.ok(counts.length > 1 && counts.slice(0, -1).every((count) => count === most), counts.join());
      const limit = wallet.api.consts.system.blockWeights.perClass.normal.maxExtrinsic.unwrap().refTime.toBigInt();
      assert.ok((await weightOf(chain.chain, most, as)) <= limit);
      assert.ok((await weightOf(chain.chain, most + 1, as)) > limit, `${most + 1} would fit too`);
    });
  }

  function messagesIn(posted: readonly Hex[], as: Kind): number[] {
    const topic = topicOf(recipient.identity);
    return posted.map((extrinsic) => {
      if (as === 'worker') return signedMessagesIn(extrinsic, sender.identity).length;
      // As the official library reads it.
      const calls = wallet.api.createType('Extrinsic', extrinsic).method.args[0] as unknown as {
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
