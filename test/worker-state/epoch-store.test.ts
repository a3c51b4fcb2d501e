import assert from 'node:assert/strict';
import { fromHex, toHex, type Hex } from '../../src/codec/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { rangeOf } from '../../src/store/keys.ts';
import { EpochStore } from '../../src/worker-state/epoch-store.ts';
import { rememberKey, type EpochKey } from '../../src/worker-state/index.ts';
import { ProvenKeys } from '../../src/worker-state/proven-keys.ts';
import { testKey, withCode } from '../chain/support.ts';

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
const id = toHex(testKey(1));
const keyOf = (epoch: number, seed = epoch): EpochKey => ({ epoch, ecdhKey: testKey(seed), proven: true });

describe('proven epochs in their store', () => {
  it('are added to those that another one wrote meanwhile', async () => {
    await using store = openMemoryStore();
    const [watch, sender] = [new EpochStore(store, genesisHash), new EpochStore(store, genesisHash)];
    await watch.save(new Map([[id, [keyOf(1)]]]));
    await rememberKey({ genesisHash }, id, keyOf(3), store);
    await watch.save(new Map([[id, [keyOf(1), keyOf(2)]]]));
    assert.deepEqual(await sender.keysOf(id), [keyOf(1), keyOf(2), keyOf(3)]);
  });

  it('lose none where many write at once', async () => {
    await using store = openMemoryStore();
    const epochs = Array.from({ length: 20 }, (_, i) => i + 1);
    await Promise.all(epochs.map((epoch) => rememberKey({ genesisHash }, id, keyOf(epoch), store)));
    assert.deepEqual(
      await new EpochStore(store, genesisHash).keysOf(id),
      epochs.map((epoch) => keyOf(epoch)),
    );
  });

  it('are loaded of all workers', async () => {
    await using store = openMemoryStore();
    const other = toHex(testKey(2));
    const epochs = new EpochStore(store, genesisHash);
    await epochs.save(new Map([[id, [keyOf(1), keyOf(4)]]]));
    await epochs.save(
      new Map([
        [other, [keyOf(2)]],
        [id, [keyOf(3)]],
      ]),
    );
    const pages = new ProvenKeys();
    for (const [number, page] of await new EpochStore(store, genesisHash).load()) pages.load(number, page);
    assert.deepEqual([pages.of(fromHex(id)), pages.of(fromHex(other))], [[keyOf(1), keyOf(3), keyOf(4)], [keyOf(2)]]);
  });

  it('are not read of what is no page', async () => {
    await using store = openMemoryStore();
    const epochs = new EpochStore(store, genesisHash);
    await epochs.save(new Map([[id, [keyOf(1)]]]));
    const [entry] = await store.entries(rangeOf('worker-state/keys/'));
    await store.commit([{ key: entry![0], value: entry![1].slice(0, -1) }]);
    await assert.rejects(epochs.load(), withCode('truncated'));
    await assert.rejects(epochs.keysOf(id), withCode('truncated'));
  });

  it('keep the bytewise greater of two keys for one epoch, and the 64 highest epochs', async () => {
    await using store = openMemoryStore();
    const epochs = new EpochStore(store, genesisHash);
    const both = [keyOf(1, 5), keyOf(1, 6)].sort((a, b) => Buffer.compare(a.ecdhKey, b.ecdhKey));
    for (const key of both.toReversed()) await epochs.save(new Map([[id, [key]]]));
    assert.deepEqual(await epochs.keysOf(id), [both[1]]);
    await epochs.save(new Map([[id, Array.from({ length: 70 }, (_, i) => keyOf(i + 1, 9))]]));
    assert.deepEqual([(await epochs.keysOf(id)).length, (await epochs.keysOf(id)).at(-1)?.epoch], [64, 70]);
  });
});
