import assert from 'node:assert/strict';
import { toHex } from '../../../src/codec/index.ts';
import { PhalaStore } from '../../../src/inbox/phala/phala-store.ts';
import type { PostedItem } from '../../../src/inbox/phala/posted-item.ts';
import { openMemoryStore } from '../../../src/store/index.ts';
import { alice } from '../../support/entities.ts';
import { replacing } from '../../support/replacing.ts';

const blockOf = (number: number) => ({ number, hash: toHex(new Uint8Array(32).fill(number)) });

const postedIn = (block: number): PostedItem => ({
  ...{ kind: 'posted', topic: Uint8Array.of(1), payload: Uint8Array.of(0, block), block, isProven: false },
  sender: { kind: 'account', id: alice.id },
});

describe('phala listener: what is stored', () => {
  it('goes back behind blocks that one node made up as a whole or not at all, wherever it dies', async () => {
    const memory = openMemoryStore();
    let left = Infinity;
    const mortal = replacing(memory, {
      commit: async (...args: Parameters<typeof memory.commit>) => {
        if (left-- <= 0) throw new Error('it is dead');
        return memory.commit(...args);
      },
    });
    const store = new PhalaStore(mortal);
    // More than are read at once.
    const [true_, madeUp] = [[1, 1, 2], Array.from({ length: 40 }, () => 3)];
    await store.take(true_.map(postedIn), blockOf(2));
    await store.take([...madeUp.map(postedIn), { kind: 'gap', first: 4, last: 5 }], blockOf(5));
    for (let commits = 0; ; commits++) {
      left = commits;
      const isDead = await store.goBackTo(blockOf(2), 0n).then(
        () => false,
        () => true,
      );
      const count = (await store.itemsFrom(0n, 100)).length;
      if (!isDead) {
        assert.equal(count, 3);
        assert.deepEqual(await store.cursor(), blockOf(2));
        return;
      }
      assert.equal(count, 44);
      assert.deepEqual(await store.cursor(), blockOf(5));
    }
  });
});
