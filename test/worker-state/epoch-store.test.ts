import assert from 'node:assert/strict';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { EpochStore } from '../../src/worker-state/epoch-store.ts';
import { rememberKey, type EpochKey } from '../../src/worker-state/index.ts';
import { testKey } from '../chain/support.ts';

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
