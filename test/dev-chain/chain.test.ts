import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { startDevChain, type DevChain } from '../../src/dev-chain/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { connect, RawClient, type TestApi } from './support.ts';
import { until } from '../support/until.ts';

interface Header {
  readonly number: Hex;
  readonly parentHash: Hex;
}

describe('dev-chain: an instant chain', () => {
  let chain: DevChain;
  let client: TestApi;
  let raw: RawClient;

  before(async () => {
    chain = await startDevChain();
    client = await connect(chain.ws);
    raw = await RawClient.open(chain.ws);
  });

  after(async () => {
    raw[Symbol.dispose]();
    await client.api.disconnect();
    await chain.stop();
  });

  const now = async (hash?: Hex): Promise<number> => {
    const at = hash === undefined ? client.api : await client.api.at(hash);
    return Number((await at.query.timestamp.now()).toString());
  };

  it('starts with a block, so that the chain has a time', async () => {
    assert.equal(chain.head.number, 1);
    assert.ok(Math.abs((await now()) - Date.now()) < 60 * 60 * 1000);
    assert.equal(client.api.genesisHash.toHex(), chain.genesisHash);
  });

  it('puts a transfer into a block of its own and tells how it fared', async () => {
    const before = chain.head.number;
    const statuses: string[] = [];
    const events = await new Promise<string[]>((resolve, reject) => {
      client
        .transfer(1_000_000_000_000n)
        .signAndSend(client.alice, (result) => {
          statuses.push(result.status.type);
          if (result.isFinalized) resolve(result.events.map(({ event }) => `${event.section}.${event.method}`));
        })
        .catch(reject);
    });
    assert.equal(chain.head.number, before + 1);
    assert.equal(statuses[0], 'Ready');
    assert.equal(statuses.at(-1), 'Finalized');
    assert.ok(events.includes('balances.Transfer') && events.includes('system.ExtrinsicSuccess'));
  });

  it('keeps the messages of a batch in the storage of their block', async () => {
    const messages = Array.from({ length: 50 }, (_, index) =>
      client.pushMessage('khala-relay/test', `message ${index}`),
    );
    const nonce = await raw.result<number>('system_accountNextIndex', client.alice.address);
    await raw.result('author_submitExtrinsic', await client.sign(client.batch(messages), nonce));
    await until(async () => (await raw.result<number>('system_accountNextIndex', client.alice.address)) === nonce + 1);
    const sealed = await chain.newBlock();
    const [block, next] = [sealed.number - 1, sealed.number];
    const count = async (number: number): Promise<number> => {
      const at = await client.api.at(await client.api.rpc.chain.getBlockHash(number));
      return ((await at.query.phalaMq.outboundMessages()) as unknown as { readonly length: number }).length;
    };
    assert.deepEqual([await count(block), await count(next)], [50, 0]);
  });

  it('builds blocks serially when several clients submit at once', async () => {
    const start = chain.head;
    const nonces = await Promise.all(
      [client.alice, client.bob].map((signer) => raw.result<number>('system_accountNextIndex', signer.address)),
    );
    using other = await RawClient.open(chain.ws);
    const submit = async (socket: RawClient, signer: typeof client.alice, nonce: number): Promise<unknown> =>
      socket.result('author_submitExtrinsic', await client.sign(client.transfer(1n), nonce, signer));
    await Promise.all([
      ...[0, 1, 2].map((add) => submit(raw, client.alice, nonces[0]! + add)),
      ...[0, 1, 2].map((add) => submit(other, client.bob, nonces[1]! + add)),
    ]);
    const included = async (): Promise<number> => {
      let extrinsics = 0;
      let parent: Hex | undefined = start.hash;
      for (let number = start.number + 1; number <= chain.head.number; number += 1) {
        const hash = await raw.result<Hex>('chain_getBlockHash', number);
        const { block } = await raw.result<{ block: { header: Header; extrinsics: Hex[] } }>('chain_getBlock', hash);
        assert.equal(block.header.parentHash, parent);
        parent = hash;
        extrinsics += block.extrinsics.length - 1;
      }
      return extrinsics;
    };
    await until(async () => (await included()) === 6);
  });

  it('builds no block while nothing waits for one', async () => {
    const { head } = chain;
    await client.api.rpc.system.health();
    assert.deepEqual(chain.head, head);
  });

  it('reports each new head to every subscriber', async () => {
    const subscription = await raw.result<string>('chain_subscribeNewHeads');
    const first = await raw.next<Header>(subscription);
    assert.equal(Number(first.number), chain.head.number);
    const last = await chain.newBlock({ count: 3 });
    const heads = [
      await raw.next<Header>(subscription),
      await raw.next<Header>(subscription),
      await raw.next<Header>(subscription),
    ];
    assert.deepEqual(
      heads.map(({ number }) => Number(number)),
      [last.number - 2, last.number - 1, last.number],
    );
    assert.equal(await raw.result('chain_unsubscribeNewHeads', subscription), true);
    await chain.newBlock();
    await raw.result('system_health');
    assert.equal(raw.pending(subscription), 0);
  });

  it('has the time of the wall, which never stands still or goes back', async () => {
    const refs = [await chain.newBlock(), await chain.newBlock(), await chain.newBlock()];
    const times = await Promise.all(refs.map(({ hash }) => now(hash)));
    assert.ok(times[0]! < times[1]! && times[1]! < times[2]!);
    assert.ok(Math.abs(times[2]! - Date.now()) < 60 * 60 * 1000);
  });

  it('travels forward in time, and not back', async () => {
    const target = Date.now() + 5 * 60 * 60 * 1000;
    const { hash } = await chain.timeTravel(target);
    assert.equal(await now(hash), target);
    assert.ok((await now((await chain.newBlock()).hash)) > target);
    await assert.rejects(chain.timeTravel(target), (error) => isRelayError(error, 'dev-time-backwards'));
    for (const odd of [target + 1_000_000.5, 2 ** 60])
      await assert.rejects(chain.timeTravel(odd), (error) => isRelayError(error, 'dev-option-invalid'));
    const next = await chain.newBlock();
    assert.ok((await now(next.hash)) < target + 1_000_000);
  });

  it('writes storage in a block of its own and leaves the block before as it was', async () => {
    const before = chain.head;
    const key = client.api.query.sudo.key.key() as Hex;
    const bob: Hex = `0x${Buffer.from(client.bob.publicKey).toString('hex')}`;
    const after = await chain.setStorage([[key, bob]]);
    assert.equal(await raw.result('state_getStorage', key, after.hash), bob);
    assert.notEqual(await raw.result('state_getStorage', key, before.hash), bob);
    await chain.setStorage([[key, null]]);
    assert.equal(await raw.result('state_getStorage', key), null);
    assert.equal(await raw.result('state_getStorage', key, after.hash), bob);
    const wrong = chain.setStorage([['0xzz', null]]);
    await assert.rejects(wrong, (error) => isRelayError(error, 'dev-storage-invalid'));
  });

  it('takes storage by the names of the metadata too, as chopsticks does', async () => {
    const account = { System: { Account: [[[client.bob.address], { providers: 1, data: { free: '123456789' } }]] } };
    await raw.result('dev_setStorage', account);
    const { data } = await client.api.query.system.account(client.bob.address);
    assert.equal(data.free.toNumber(), 123_456_789);
    assert.equal((await raw.ask('dev_setStorage', { Nothing: { There: 1 } })).error?.code, -32602);
  });

  it('reports changed storage to subscribers, and only changes', async () => {
    const key: Hex = '0x0123456789';
    const subscription = await raw.result<string>('state_subscribeStorage', [key]);
    assert.deepEqual(await raw.next(subscription), { block: chain.head.hash, changes: [[key, null]] });
    await chain.newBlock();
    const { hash } = await chain.setStorage([[key, '0xabcd']]);
    assert.deepEqual(await raw.next(subscription), { block: hash, changes: [[key, '0xabcd']] });
  });

  it('answers for dropped states as a pruning node does', async () => {
    const old = await chain.newBlock();
    const kept = await chain.newBlock();
    chain.pruneBefore(kept.number);
    const key: Hex = '0x26aa394eea5630e07c48ae0c9558cef7';
    const discarded = { code: 4003, message: `Client error: UnknownBlock: State already discarded for ${old.hash}` };
    for (const [method, ...params] of [
      ['state_getStorage', key, old.hash],
      ['state_getKeysPaged', key, 10, key, old.hash],
      ['state_queryStorageAt', [key], old.hash],
      ['state_getReadProof', [key], old.hash],
      ['state_call', 'Core_version', '0x', old.hash],
      ['state_getMetadata', old.hash],
    ] as const) {
      assert.deepEqual((await raw.ask(method, ...params)).error, discarded, method);
    }
    assert.notEqual(await raw.result('chain_getHeader', old.hash), null);
    assert.equal((await raw.ask('state_getKeysPaged', key, 10, key, kept.hash)).error, undefined);
    chain.pruneBefore(Number.MAX_SAFE_INTEGER);
    assert.equal((await raw.ask('state_getStorage', key)).error, undefined);
    assert.equal((await chain.newBlock()).number, kept.number + 1);
  });

  it('tells a block it never had from one whose state is gone', async () => {
    const hash: Hex = `0x${'ab'.repeat(32)}`;
    assert.equal(await raw.result('chain_getHeader', hash), null);
    assert.equal(await raw.result('chain_getBlockHash', 1_000_000), null);
    assert.match((await raw.ask('state_getStorage', '0x00', hash)).error!.message, /Header was not found/);
  });

  it('proves its storage against the state root of the header', async () => {
    const { decode_proof } = await import('@acala-network/chopsticks-executor');
    const { hash } = chain.head;
    const { stateRoot } = await raw.result<{ stateRoot: Hex }>('chain_getHeader', hash);
    const key = client.api.query.timestamp.now.key() as Hex;
    const { at, proof } = await raw.result<{ at: Hex; proof: Hex[] }>('state_getReadProof', [key], hash);
    assert.equal(at, hash);
    const proven = new Map((await decode_proof(stateRoot, proof)) as [Hex, Hex][]);
    assert.equal(proven.get(key), await raw.result('state_getStorage', key, hash));
  });
});
