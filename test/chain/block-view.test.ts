import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import {
  connectChain,
  endpointsOf,
  idOf,
  rowAt,
  type Chain,
  type WorkerRow,
  type WorkerRows,
} from '../../src/chain/index.ts';
import { storagePrefix } from '../../src/chain/storage/storage-key.ts';
import { toHex, Writer, type Hex } from '../../src/codec/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { startRpcProxy } from '../support/rpc-proxy.ts';
import { describeOnChains } from '../support/shared-chain.ts';
import { alice, openWallet, testWorker, utf8, withCode, type Wallet } from './support.ts';
import { startProxy } from './tcp-proxy.ts';

const legacyRuntime = new URL('../../runtime/artifacts/khala-dev-legacy.wasm', import.meta.url);
const codeKey = toHex(utf8(':code'));
const topic = utf8('topic');

function rowsOf(page: WorkerRows): WorkerRow[] {
  return Array.from(page.ends, (_, i) => rowAt(page, i)!);
}

describeOnChains('BlockView', { workers: 2_100 }, (node) => {
  let chain: Chain;
  let wallet: Wallet;
  const worker = testWorker(1);
  before(async () => {
    chain = await connectChain({ endpoints: [node.ws] });
    wallet = await openWallet(node.ws);
    await chain.submit([{ kind: 'register-worker', identity: worker.identity, ecdhKey: worker.ecdhKey }], alice);
  });
  after(async () => {
    await wallet[Symbol.asyncDispose]();
    await chain.stop();
  });

  it('reads all workers at one block, in pages, and ids alike', async () => {
    const view = chain.at((await chain.bestHead()).hash);
    await node.grow();
    const found = new Map<Hex, readonly string[]>();
    let pages = 0;
    for await (const page of view.allWorkers()) {
      pages++;
      for (const row of rowsOf(page)) found.set(idOf(row), endpointsOf(row).urls);
    }
    assert.ok(pages >= 3);
    assert.equal(found.size, 2_101);
    for (const { identity, endpoints } of node.workers.slice(0, 50)) assert.deepEqual(found.get(identity), endpoints);
    assert.deepEqual(new Set(await view.workerIds()), new Set(found.keys()));
    const some = [...found.keys()].slice(0, 1_500);
    const read = await view.workers([...some, `0x${'00'.repeat(32)}`]);
    assert.deepEqual(
      read.map((row) => row && idOf(row)),
      [...some, undefined],
    );
  });

  it('reads the key of a contract, and nothing where there is none', async () => {
    const contract: Hex = `0x${'c0'.repeat(32)}`;
    const other: Hex = `0x${'c1'.repeat(32)}`;
    const key = new Uint8Array(32).fill(5);
    const storageKey = wallet.api.query.phalaRegistry.contractKeys.key(contract) as Hex;
    const { hash } = await node.setStorage([[storageKey, toHex(key)]]);
    assert.deepEqual(await chain.at(hash).contractKey(contract), key);
    assert.equal(await chain.at(hash).contractKey(other), undefined);
  });

  it('reads the messages of a block, from whomever, and no others', async () => {
    const { tx } = wallet.api;
    const empty = await node.grow();
    const calls = [
      tx.phalaMq.pushMessage('0x6162', '0x01'),
      tx.sudo.sudo(tx.phalaMq.forcePushPalletMessage('0x6364', '0x0203')),
      tx.phalaMq.pushMessage('', '0x04'),
      tx.phalaMq.pushMessage('0x5e', '0x05'),
    ];
    const hash = await wallet.post(tx.utility.batchAll(calls), wallet.alice);
    assert.deepEqual(await chain.at(empty.hash).outboundMessages(), []);
    assert.deepEqual(await chain.at(hash).outboundMessages(), [
      { sender: { kind: 'account', id: alice.id }, destination: utf8('ab'), payload: Uint8Array.of(1) },
      { sender: { kind: 'other', name: 'Pallet' }, destination: utf8('cd'), payload: Uint8Array.of(2, 3) },
    ]);
  });

  it('knows the sequence of a worker, and that one who never posted has 0', async () => {
    const { hash } = await chain.bestHead();
    assert.equal(await chain.at(hash).ingressSequence(worker.identity), 0n);
  });

  it("reads the chain's clock", async () => {
    const { hash } = await chain.bestHead();
    const { timestamp } = (await wallet.api.at(hash)).query;
    assert.equal(await chain.at(hash).timestamp(), BigInt((await timestamp.now()).toString()));
  });

  it('finds what events tell, and that the gatekeepers changed', async () => {
    const { tx } = wallet.api;
    const sudo = (call: Parameters<Wallet['post']>[0]): Promise<Hex> => wallet.post(tx.sudo.sudo(call), wallet.alice);
    const added = await sudo(tx.phalaRegistry.registerGatekeeper(worker.identity));
    assert.deepEqual(await chain.at(added).touchedWorkers(), {
      ids: [worker.identity],
      gatekeepers: true,
      complete: true,
    });
    assert.equal((await chain.at(added).worker(worker.identity))?.gatekeeper, true);
    const removed = await sudo(tx.phalaRegistry.unregisterGatekeeper(worker.identity));
    assert.deepEqual(await chain.at(removed).touchedWorkers(), {
      ids: [worker.identity],
      gatekeepers: true,
      complete: true,
    });
    assert.deepEqual(await chain.at(removed).gatekeepers(), []);
  });

  it('says that it may have missed something where an extrinsic can not be read', async () => {
    const call = wallet.api.tx.phalaRegistry.registerGatekeeper(worker.identity);
    const hash = await wallet.post(wallet.api.tx.utility.batch([call]), wallet.alice);
    let garble = (extrinsic: string): string => extrinsic;
    await using proxy = await startRpcProxy(node.ws, (method, _, result) => {
      if (method !== 'chain_getBlock') return result;
      const { block } = result as { block: { extrinsics: string[] } };
      return { block: { ...block, extrinsics: block.extrinsics.map((each) => garble(each)) } };
    });
    await using through = await connectChain({ endpoints: [proxy.ws] });
    assert.equal((await through.at(hash).touchedWorkers()).complete, true);
    for (const bad of [(text: string) => `${text}0`, (text: string) => `0x99${text.slice(2)}`]) {
      garble = bad;
      assert.equal((await through.at(hash).touchedWorkers()).complete, false, bad('…'));
    }
  });

  it('finds nothing in a block of messages', async () => {
    const { blockHash } = await chain.submit([{ kind: 'push-message', destination: topic, payload: topic }], alice);
    assert.deepEqual(await chain.at(blockHash).touchedWorkers(), { ids: [], gatekeepers: false, complete: true });
  });

  it("bears with one worker's garbage", async () => {
    const key = (id: Hex): Hex => `${storagePrefix('PhalaRegistry', 'Endpoints')}${twox(id)}`;
    const text = (bytes: Uint8Array): Uint8Array => new Writer().bytes(bytes).finish();
    const hostile = [new Writer().u8(0).compactLength(200_004).finish()];
    hostile.push(text(Uint8Array.of(0xff, 0x61)), text(new Uint8Array(100_000)));
    for (let i = 0; i < 200_000; i++) hostile.push(text(utf8(String(i % 10))));
    hostile.push(text(utf8('ecdh:last')), text(utf8('ecdh:one')));
    const [one, two] = [node.workers[0]!, node.workers[1]!];
    const { hash } = await node.setStorage([
      [key(one.identity), toHex(Buffer.concat(hostile))],
      [key(two.identity), '0x00ffffff'],
      [key(worker.identity), toHex(Buffer.concat([Uint8Array.of(0, 4), text(utf8('http://third'))]))],
    ]);
    const view = chain.at(hash);
    const read = await view.workers([one.identity, two.identity, worker.identity]);
    const [first, second, third] = read.map((row) => row && [...endpointsOf(row).urls, ...endpointsOf(row).records]);
    assert.equal(first?.length, 64 + 2);
    assert.equal(first[0], '\ufffda');
    assert.deepEqual(first.slice(-2), ['ecdh:last', 'ecdh:one']);
    assert.deepEqual(second, []);
    assert.deepEqual(third, ['http://third']);
    assert.deepEqual((await view.worker(one.identity))?.endpoints, first);
    assert.ok(read[0]!.length < 4_096);
  });

  function twox(id: Hex): string {
    const hasher = wallet.api.query.phalaRegistry.endpoints.key(id);
    return hasher.slice(2 + 64);
  }
});

describeOnChains('BlockView over an upgrade', { workers: 3 }, (node) => {
  it('decodes each block by the runtime that made it', async () => {
    await using chain = await connectChain({ endpoints: [node.ws] });
    const before = await node.newest();
    const upgrade = await node.setStorage([[codeKey, toHex(await readFile(legacyRuntime))]]);
    await node.grow();
    const after = (await chain.headAt(upgrade.number + 1))!;
    const { identity } = node.workers[0]!;
    const records = [];
    for (const { hash } of [before, upgrade, after]) {
      const view = chain.at(hash);
      records.push(await view.worker(identity));
      assert.deepEqual(await view.outboundMessages(), []);
      assert.deepEqual((await view.touchedWorkers()).ids, []);
    }
    const [old, between, migrated] = records;
    assert.ok(old !== undefined);
    assert.deepEqual(between, old);
    assert.deepEqual(migrated, { ...old, info: { ...old.info, attestationProvider: undefined } });
    // And it signs with what the new runtime wants.
    await chain.submit([{ kind: 'push-message', destination: topic, payload: topic }], alice);
  });
});

describe('BlockView over time', () => {
  it('says which block has no state any more', async () => {
    await using dev = await startDevChain();
    await using chain = await connectChain({ endpoints: [dev.ws] });
    const old = dev.head;
    await dev.newBlock({ count: 3 });
    dev.pruneBefore(dev.head.number);
    await assert.rejects(chain.at(old.hash).outboundMessages(), withCode('state-discarded', old.hash));
    await assert.rejects(chain.at(old.hash).worker(testWorker(1).identity), withCode('state-discarded', old.hash));
    const unknown = `0x${'77'.repeat(32)}` as const;
    await assert.rejects(chain.at(unknown).outboundMessages(), withCode('state-discarded', unknown));
    assert.deepEqual(await chain.at(dev.head.hash).outboundMessages(), []);
  });

  it('asks another endpoint for a state that the present one dropped', async () => {
    await using pruned = await startDevChain({ now: () => 1_700_000_000_000 });
    await using archive = await startDevChain({ now: () => 1_700_000_000_000 });
    await using proxy = await startProxy(archive.ws);
    assert.equal(pruned.genesisHash, archive.genesisHash);
    await using chain = await connectChain({ endpoints: [pruned.ws, proxy.ws] });
    const kept = archive.head;
    await assert.rejects(chain.at(`0x${'77'.repeat(32)}`).outboundMessages(), withCode('state-discarded'));
    if (kept.hash === pruned.head.hash) {
      await pruned.newBlock({ count: 3 });
      pruned.pruneBefore(pruned.head.number);
    }
    assert.deepEqual(await chain.at(kept.hash).outboundMessages(), []);
    assert.ok(proxy.connections > 0);
  });
});
