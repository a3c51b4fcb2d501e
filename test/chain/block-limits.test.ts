import assert from 'node:assert/strict';
import { join } from 'node:path';
import { connectChain, type Call, type Chain } from '../../src/chain/index.ts';
import { topicOf } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { alice, directoryOf, registered, temporaryFolder } from '../support/entities.ts';
import { startRpcProxy, type RpcProxy } from '../support/rpc-proxy.ts';
import { withCode } from './support.ts';

/** `System.BlockLength` as SCALE: of normal, operational and mandatory extrinsics. */
const [limits, lower, higher] = [3_932_160, 1_048_576, 4_587_520].map(blockLength) as [string, string, string];

describe('how large an extrinsic may be, after an upgrade of the runtime', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  let dev: DevChain;
  let way: RpcProxy;
  let chain: Chain;
  let vaults: Vault[];

  beforeEach(async () => {
    folder = await temporaryFolder();
    dev = await startDevChain();
    way = await startRpcProxy(dev.ws);
    chain = await connectChain({ endpoints: [way.ws] });
    vaults = await registered(chain, join(folder.path), ['s', 'r']);
  });

  afterEach(async () => {
    await chain.stop();
    await way[Symbol.asyncDispose]();
    await dev.stop();
    await folder.remove();
  });

  /** From now on the node has the runtime of the next version, with other limits. */
  function upgrade(to: string): void {
    way.alter = (method, _, result) => {
      if (method === 'state_getRuntimeVersion') {
        const version = result as { readonly specVersion: number };
        return { ...version, specVersion: version.specVersion + 1 };
      }
      if (method !== 'state_getMetadata') return result;
      assert.ok(String(result).includes(limits));
      return String(result).replace(limits, to);
    };
  }

  it('is less where the new one takes less', async () => {
    const before = (await chain.batchRoom('push-message', alice)).maxExtrinsicBytes;
    assert.equal(before, chain.info.maxExtrinsicBytes);
    upgrade(lower);
    const room = await chain.batchRoom('push-message', alice);
    assert.ok(room.maxExtrinsicBytes < 1_048_576);
    assert.ok(room.take(1_000));
    assert.ok(!room.take(room.maxExtrinsicBytes));
    const call: Call = { kind: 'push-message', destination: topicOf(alice.id), payload: new Uint8Array(1_048_576) };
    await assert.rejects(chain.post([call], alice), withCode('extrinsic-too-large', String(room.maxExtrinsicBytes)));
  });

  it('is more where the new one takes more, and the outbox queues what fits into it', async () => {
    const [sender, recipient] = vaults as [Vault, Vault];
    const store = openMemoryStore();
    const directory = await directoryOf(recipient);
    await using outbox = createOutbox({ chain, vault: sender, store, directory, account: alice });
    const message = {
      to: recipient.identity,
      body: { kind: 'data', content: new Uint8Array(chain.info.maxExtrinsicBytes) },
    } as const;
    await assert.rejects(outbox.send(message), { code: 'too-large-for-chain' });
    upgrade(higher);
    await outbox.send(message);
    const content = new Uint8Array(4_587_520);
    await assert.rejects(outbox.send({ ...message, body: { kind: 'data', content } }), { code: 'too-large-for-chain' });
  });
});

function blockLength(normal: number): string {
  const bytes = Buffer.alloc(12);
  [normal, 5_242_880, 5_242_880].forEach((length, n) => bytes.writeUInt32LE(length, 4 * n));
  return bytes.toString('hex');
}
