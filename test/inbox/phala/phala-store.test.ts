import assert from 'node:assert/strict';
import { toHex } from '../../../src/codec/index.ts';
import { PhalaLetters } from '../../../src/inbox/phala/phala-letters.ts';
import { PhalaStore } from '../../../src/inbox/phala/phala-store.ts';
import type { PostedCommand } from '../../../src/inbox/phala/posted-item.ts';
import { openMemoryStore } from '../../../src/store/index.ts';
import { alice } from '../../support/entities.ts';
import { replacing } from '../../support/replacing.ts';

const blockOf = (number: number) => ({ number, hash: toHex(new Uint8Array(32).fill(number)) });

const postedIn = (block: number): PostedCommand => ({
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

  const numbersOf = async ({ letters }: Pick<PhalaStore, 'letters'>): Promise<number[]> => {
    const numbers: number[] = [];
    for await (const [number] of letters.marks()) numbers.push(Number(number));
    return numbers;
  };

  it('forgets dead letters of blocks that one node made up, which are read again', async () => {
    const store = new PhalaStore(openMemoryStore());
    await store.take([1, 2, 3].map(postedIn), blockOf(3));
    for (const place of [0, 1, 2]) await store.bury(BigInt(place), postedIn(place + 1), 'open-failed');
    await store.goBackTo(blockOf(2), 3n);
    assert.deepEqual(await numbersOf(store), [0, 1]);
    assert.equal(await store.letters.command(2n), undefined);
  });

  it('forgets also what is made a posting again meanwhile, whenever that is', async () => {
    for (let at = 0, isMeanwhile = true; isMeanwhile; at++) {
      const memory = openMemoryStore();
      const other = new PhalaStore(memory);
      await other.take([1, 3].map(postedIn), blockOf(3));
      await other.bury(1n, postedIn(3), 'open-failed');
      const letter = await other.letters.mark(1n);
      assert.ok(letter !== undefined);
      let calls = 0;
      isMeanwhile = false;
      const before = async (): Promise<void> => {
        if (calls++ !== at) return;
        isMeanwhile = true;
        assert.equal(await other.revive(letter, postedIn(3)), true);
      };
      const store = new PhalaStore(
        replacing(memory, {
          get: async (key) => before().then(() => memory.get(key)),
          entries: async (range) => before().then(() => memory.entries(range)),
          commit: async (...args) => before().then(() => memory.commit(...args)),
        }),
      );
      await store.goBackTo(blockOf(2), 0n);
      assert.deepEqual(
        (await other.itemsFrom(0n, 10)).map(([place]) => Number(place)),
        [0],
      );
      assert.deepEqual(await numbersOf(other), []);
    }
  });

  for (const [what, most] of [
    ['many', { count: 3, bytes: 1_000_000 }],
    ['large', { count: 1_000, bytes: 150 }],
  ] as const)
    it(`keeps the newest dead letters where there are too ${what}, and as many again when some were removed`, async () => {
      const store = openMemoryStore();
      const letters = new PhalaLetters(store, most);
      const add = async (number: number): Promise<void> => {
        const { writes, expected } = await letters.addition(BigInt(number), postedIn(1), 'open-failed');
        assert.equal(await store.commit(writes, expected), true);
      };
      for (let n = 0; n < 10; n++) await add(n);
      assert.deepEqual(await numbersOf({ letters }), [7, 8, 9]);
      const [, eighth] = [await letters.mark(7n), await letters.mark(8n)];
      const { writes, expected } = await letters.removal([eighth!]);
      await store.commit(writes, expected);
      await add(10);
      assert.deepEqual(await numbersOf({ letters }), [7, 9, 10]);
      await add(11);
      assert.deepEqual(await numbersOf({ letters }), [9, 10, 11]);
      // The key of a command, its mark, and the count of them all.
      const all = await store.entries({ from: Uint8Array.of(0), to: Uint8Array.of(255) });
      assert.equal(all.length, 7);
    });
});
