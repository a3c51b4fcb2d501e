import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Hex } from '../../src/codec/index.ts';
import {
  startDevChain,
  type BlockRef,
  type DevChain,
  type DevChainLogger,
  type DevChainOptions,
} from '../../src/dev-chain/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { openLmdbStore, rangeOf, storeKey } from '../../src/store/index.ts';
import { startChild } from '../support/child.ts';
import { rejected } from '../support/expect-error.ts';
import { smallDisk } from '../support/small-disk.ts';
import { useTempDir } from '../support/temp-dir.ts';
import { BlockBuilder } from '../../src/dev-chain/block/block-builder.ts';
import { BlockStore } from '../../src/dev-chain/block/block-store.ts';
import { genesisBlock } from '../../src/dev-chain/block/genesis.ts';
import { loadChainSpec } from '../../src/dev-chain/chain-spec.ts';
import { ChainData } from '../../src/dev-chain/data/chain-data.ts';
import { restore } from '../../src/dev-chain/data/restore.ts';
import { Executor } from '../../src/dev-chain/executor/executor.ts';
import { Runtimes } from '../../src/dev-chain/executor/runtime.ts';
import { loadHashing } from '../../src/dev-chain/hashing.ts';
import { ChainState } from '../../src/dev-chain/state/chain-state.ts';
import { connect, RawClient } from './support.ts';

const lag = 4;
const codeKey: Hex = '0x3a636f6465';
const artifacts = new URL('../../runtime/artifacts/', import.meta.url);

interface Spec {
  readonly genesis: { readonly raw: { readonly top: Readonly<Record<string, string>> } };
}

/** All that clients may ask for of the blocks from the genesis to the head. */
async function picture(chain: DevChain): Promise<unknown> {
  using client = await RawClient.open(chain.ws);
  const blocks = [];
  for (let number = 0; number <= chain.head.number; number += 1) {
    const hash = await client.result<Hex>('chain_getBlockHash', number);
    const pairs = await client.result<readonly [Hex, Hex][]>('state_getPairs', '0x', hash);
    const version = await client.result('state_getRuntimeVersion', hash);
    blocks.push({ hash, block: await client.result('chain_getBlock', hash), pairs, version });
  }
  const { head, finalized, genesisHash } = chain;
  return { head, finalized, genesisHash, blocks };
}

describe('dev-chain: kept in a folder', () => {
  const path = useTempDir();
  const start = (options: DevChainOptions = {}): Promise<DevChain> =>
    startDevChain({ finalityLag: lag, data: path('data'), ...options });

  it('goes on where it stood: blocks, states, the head and what is final', async () => {
    let chain = await start({ workers: 2 });
    await using client = await connect(chain.ws);
    await chain.newBlock({ count: lag });
    for (const nonce of [0, 1]) {
      const signed = await client.sign(client.transfer(1_000_000_000n), nonce);
      await client.api.rpc.author.submitExtrinsic(signed);
    }
    await chain.setStorage([
      ['0xAB01', '0x01'],
      ['0xab02', '0x02'],
    ]);
    await chain.setStorage([['0xab01', null]]);
    const before = await picture(chain);
    await client.api.disconnect();
    await chain.stop();

    chain = await start({ workers: 2 });
    assert.deepEqual(await picture(chain), before);
    const { head } = chain;
    using raw = await RawClient.open(chain.ws);
    const next = await chain.newBlock();
    const { parentHash } = await raw.result<{ parentHash: Hex }>('chain_getHeader', next.hash);
    assert.equal(parentHash, head.hash);
    await chain.stop();
  });

  it('can be reorged after it was started again, to forks of before too, and numbers its forks on', async () => {
    let chain = await start();
    const base = await chain.newBlock({ count: lag });
    const timestamp = Date.now() + 3_600_000;
    const first = await chain.newBlock({ timestamp });
    await chain.reorg(base.hash);
    const second = await chain.newBlock({ timestamp });
    await chain.stop();

    chain = await start();
    assert.deepEqual(chain.head, second);
    assert.deepEqual(await chain.reorg(first.hash), first);
    await chain.reorg(base.hash);
    // The same but for the number of the fork.
    const third = await chain.newBlock({ timestamp });
    assert.equal(new Set([first, second, third].map(({ hash }) => hash)).size, 3);
    await rejected(chain.reorg(chain.finalized.number - 1), 'dev-reorg-refused');
    await chain.reorg(base.number - 1);
    await chain.stop();
    chain = await start();
    assert.equal(chain.head.number, base.number - 1);
    await chain.stop();
  });

  it('stands where it said when it was killed, or a step further, whenever that was', async () => {
    interface Told {
      readonly head: BlockRef;
      readonly finalized: BlockRef;
      readonly to?: Hex;
    }
    for (const lines of [0, 4, 11, 17]) {
      const child = startChild(new URL('data-child.ts', import.meta.url), path('data'));
      const printed = [await child.line()];
      while (printed.length <= lines) printed.push(await child.line());
      await child.kill();
      printed.push(...(await child.rest()));
      const told = JSON.parse(printed.at(-1) ?? '') as Told;

      await using chain = await start();
      using raw = await RawClient.open(chain.ws);
      const { parentHash } = await raw.result<{ parentHash: Hex }>('chain_getHeader', chain.head.hash);
      assert.ok([chain.head.hash, parentHash].includes(told.head.hash) || chain.head.hash === told.to);
      assert.ok(chain.finalized.number >= told.finalized.number);
      assert.equal(await raw.result('chain_getBlockHash', told.finalized.number), told.finalized.hash);
      await chain.newBlock();
    }
  });

  it('goes on from the last block that it built where it is stopped while it builds many', async () => {
    let chain = await start();
    const stopped = rejected(chain.newBlock({ count: 1_000 }), 'dev-chain-stopped');
    using raw = await RawClient.open(chain.ws);
    const heads = await raw.result<string>('chain_subscribeNewHeads');
    await raw.next(heads);
    await raw.next(heads);
    await chain.stop();
    await stopped;
    const { head } = chain;
    chain = await start();
    assert.deepEqual(chain.head, head);
    await chain.stop();
  });

  it('holds of a block that came back what it held when it was built', async () => {
    const data = await ChainData.open(path('data'));
    const hashing = await loadHashing();
    const executor = new Executor();
    const runtimes = new Runtimes(executor);
    const { top } = await loadChainSpec();
    const state = ChainState.from(top, hashing);
    const genesis = genesisBlock(state, await runtimes.of(state), hashing);
    const begun = { hash: genesis.hash, workers: 0, hashWith: () => assert.fail('it is the same chain') };
    const into = () => ({
      ...{ genesis: begun, blocks: new BlockStore(genesis, 0), runtimes, hashing },
      signal: undefined,
    });
    assert.equal(await restore(data, into()), undefined);
    const plan = { parent: genesis, timestamp: Date.now(), extrinsics: [], logs: [], overrides: [] };
    const built = await new BlockBuilder(executor, runtimes, hashing).build(plan);
    const tip = { head: built.block.hash, finalized: genesis.hash, forks: 3, clockShiftMs: -7 };
    await data.keep(tip, built);
    const { blocks, ...others } = into();
    assert.deepEqual(await restore(data, { blocks, ...others }), { ...tip, finalized: built.block.hash });
    const { state: builtState, ...fields } = built.block;
    const { state: restoredState, ...restored } = blocks.head;
    assert.deepEqual(restored, fields);
    assert.equal(restoredState?.root(1), builtState?.root(1));
    await data.close();
    await executor.stop();
  });

  it('takes nothing back that was final, whatever the lag is after it was started again', async () => {
    let chain = await start({ finalityLag: 0 });
    const { number } = await chain.newBlock({ count: 3 });
    await chain.stop();
    chain = await start({ finalityLag: 2 });
    assert.equal(chain.finalized.number, number);
    await rejected(chain.reorg(number - 1), 'dev-reorg-refused');
    const head = await chain.newBlock({ count: 4 });
    assert.equal(chain.finalized.number, head.number - 2);
    await chain.stop();
    // Final by a shorter lag alone, without another block.
    chain = await start({ finalityLag: 1 });
    assert.equal(chain.finalized.number, head.number - 1);
    await chain.stop();
    chain = await start({ finalityLag: 10 });
    assert.equal(chain.finalized.number, head.number - 1);
    await chain.stop();
  });

  it('keeps the time that it travelled to', async () => {
    const now = (): number => 1_800_000_000_000;
    const travelled = now() + 86_400_000;
    let chain = await start({ now });
    await chain.timeTravel(travelled);
    await chain.newBlock({ timestamp: travelled + 10_000 });
    await chain.stop();
    chain = await start({ now: () => now() + 60_000 });
    await using client = await connect(chain.ws);
    await chain.newBlock();
    assert.equal(Number((await client.api.query.timestamp.now()).toString()), travelled + 60_000);
    await client.api.disconnect();
    await chain.stop();
  });

  it('goes on by the runtime that an upgrade brought', async () => {
    const legacy: Hex = `0x${(await readFile(new URL('khala-dev-legacy.wasm', artifacts))).toString('hex')}`;
    let chain = await start();
    await chain.setStorage([[codeKey, legacy]]);
    await chain.newBlock();
    const before = await picture(chain);
    await chain.stop();
    chain = await start();
    assert.deepEqual(await picture(chain), before);
    await chain.newBlock();
    await chain.stop();
  });

  it('refuses the folder of another chain by what differs, and leaves it as it was', async () => {
    let chain = await start({ workers: 2 });
    const before = await picture(chain);
    await chain.stop();
    const { genesis, ...spec } = JSON.parse(await readFile(new URL('khala-dev.spec.json', artifacts), 'utf8')) as Spec;
    const top = { ...genesis.raw.top, '0xab': '0x01' };
    await writeFile(path('spec.json'), JSON.stringify({ ...spec, genesis: { raw: { top } } }));
    const chainSpec = path('spec.json');
    for (const [options, differing] of [
      [{ workers: 3 }, '--workers 2 instead of 3.'],
      [{ workers: 2, chainSpec }, 'another --chain-spec.'],
      [{ chainSpec }, 'another --chain-spec and --workers 2 instead of 0.'],
    ] as const) {
      const { message } = await rejected(start(options), 'dev-data-other-chain');
      assert.equal(message, `The folder ${path('data')} keeps a chain that was begun with ${differing}`);
    }
    chain = await start({ workers: 2 });
    assert.deepEqual(await picture(chain), before);
    await chain.stop();
  });

  it('refuses the folder while another chain has it, and frees it when it stops or does not start', async () => {
    const chain = await start();
    const { message } = await rejected(start(), 'locked');
    assert.equal(message, `${path('data')} is in use by another process (pid ${process.pid}).`);
    await chain.newBlock();
    await chain.stop();
    const other = await startDevChain();
    const port = Number(new URL(other.ws).port);
    await rejected(start({ port }), 'dev-port-taken');
    // What did not come up is not there.
    await rejected(start({ port, data: path('new') }), 'dev-port-taken');
    await (await start({ workers: 1, data: path('new') })).stop();
    await other.stop();
    await (await start()).stop();
    assert.deepEqual(await readdir(path('data')), ['chain']);
  });

  it('says what is wrong with a folder', async () => {
    await rejected(start({ data: '' }), 'dev-option-invalid');
    await writeFile(path('file'), '');
    for (const [data, not] of [
      [path('file'), 'of a file'],
      [path('file/data'), `below the file ${path('file')}`],
    ] as const) {
      const { message } = await rejected(start({ data }), 'dev-option-invalid');
      assert.equal(message, `The data folder is ${data}, but must be the path of a folder, not ${not}.`);
    }
    const chain = await start();
    await chain.newBlock({ count: 2 });
    await chain.stop();
    const altered = async (key: Uint8Array, alter: (value: Buffer) => Uint8Array | undefined, reason: string) => {
      const change = async (value: Uint8Array | undefined): Promise<void> => {
        await using store = await openLmdbStore({ path: join(path('data'), 'chain') });
        await store.commit([{ key, value }]);
      };
      const store = await openLmdbStore({ path: join(path('data'), 'chain') });
      const kept = (await store.get(key)) ?? assert.fail('there is no such key');
      await store.close();
      await change(alter(Buffer.from(kept)));
      const error = await rejected(start(), 'dev-data-invalid');
      assert.ok(error.message.includes(reason), error.message);
      await change(kept);
    };
    const store = await openLmdbStore({ path: join(path('data'), 'chain') });
    const [first = assert.fail(), second = assert.fail(), third = assert.fail()] = (
      await store.entries(rangeOf('block/'))
    ).map(([key]) => key);
    await store.close();
    await altered(first, () => undefined, 'the parent of block 2 is missing');
    await altered(third, () => undefined, 'the head or the finalized block is missing');
    await altered(second, (bytes) => bytes.subarray(0, -1), 'The kept block');
    // The last byte is of a value that the block wrote.
    await altered(second, (bytes) => bytes.fill(bytes.at(-1)! ^ 1, bytes.length - 1), 'the state of block 2');
    // Behind the header, the timestamp, the number of extrinsics and two lengths.
    const inherent = (bytes: Buffer): Buffer => {
      const at = 2 + (bytes.readUInt16LE(0) >> 2) + 8 + 1 + 2;
      return bytes.fill(bytes.readUInt8(at) ^ 1, at, at + 1);
    };
    await altered(second, inherent, 'the extrinsics of block 2');
    const time = (bytes: Buffer): Buffer => {
      const at = 2 + (bytes.readUInt16LE(0) >> 2);
      return bytes.fill(bytes.readUInt8(at) ^ 1, at, at + 1);
    };
    await altered(second, time, 'the time of block 2');
    await altered(storeKey('tip'), (bytes) => bytes.subarray(1), 'The tip of the chain');
    await altered(storeKey('tip'), () => undefined, 'which block is the head');
    await altered(
      storeKey('genesis'),
      (bytes) => bytes.fill(1, 0, 1),
      'The version of its layout is not valid: 1, not 2',
    );
    await altered(
      storeKey('genesis'),
      (bytes) => bytes.fill(0xff, 33),
      'The number of its workers is not valid: 4294967295',
    );
    await (await start()).stop();
  });

  it('begins no new chain in the place of one that was lost', async () => {
    const chain = await start();
    await chain.stop();
    const file = join(path('data'), 'chain', 'data.mdb');
    await truncate(file);
    assert.match((await rejected(start(), 'dev-data-invalid')).message, /chain\/data\.mdb is empty/);
    await rm(file);
    assert.match((await rejected(start(), 'dev-data-invalid')).message, /chain\/data\.mdb is missing/);
  });

  it('begins where one was killed before it had begun', async () => {
    await mkdir(join(path('data'), 'chain-new'), { recursive: true });
    await writeFile(join(path('data'), 'chain-new', 'data.mdb'), '');
    await (await start()).stop();
    assert.deepEqual(await readdir(path('data')), ['chain']);
  });

  it('takes no block that the disk has no room for, says so, and goes on when there is room', async function () {
    const disk = await smallDisk(3);
    if (disk === undefined) {
      this.skip();
      return;
    }
    try {
      let tell: (details: object) => void = () => assert.fail('nothing has failed yet');
      const logger: DevChainLogger = { info: () => undefined, error: (details) => tell(details) };
      const options = { data: join(disk.path, 'data'), finalityLag: 0, logger };
      let chain = await startDevChain(options);
      await using client = await connect(chain.ws);
      using raw = await RawClient.open(chain.ws);
      const heads = await raw.result<string>('chain_subscribeNewHeads');
      const fill = async (build: () => Promise<BlockRef>): Promise<void> => {
        try {
          for (;;) await build();
        } catch (error) {
          assert.ok(isRelayError(error, 'store-failed'), String(error));
        }
      };
      await fill(() => chain.setStorage([['0xab', `0x${'00'.repeat(100_000)}`]]));
      await fill(() => chain.newBlock());
      const { head } = chain;
      const far = Date.now() + 365 * 86_400_000;
      await rejected(chain.timeTravel(far), 'store-failed');
      let number = 0;
      while (number < head.number) number = Number((await raw.next<{ number: Hex }>(heads)).number);
      // Nobody waits for the block of what waits in the pool.
      const failed = new Promise<object>((resolve) => (tell = resolve));
      const signed = await client.sign(client.transfer(1_000_000_000n), 0);
      await raw.result('author_submitExtrinsic', signed);
      assert.ok(isRelayError(((await failed) as { error: unknown }).error, 'store-failed'));
      assert.deepEqual(chain.head, head);
      assert.equal(raw.pending(heads), 0);

      await disk.grow(20);
      const { hash } = await chain.newBlock();
      const { block } = await raw.result<{ block: { extrinsics: Hex[] } }>('chain_getBlock', hash);
      assert.ok(block.extrinsics.includes(signed));
      assert.ok((await client.api.query.timestamp.now()).toNumber() < far);
      await client.api.disconnect();
      await chain.stop();
      chain = await startDevChain(options);
      assert.equal(chain.head.hash, hash);
      await chain.stop();
    } finally {
      await disk.remove();
    }
  });
});
