import assert from 'node:assert/strict';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, it } from 'mocha';
import { compareBytes, toHex } from '../../src/codec/index.ts';
import { rangeOf, storeKey, type Entry, type KeyRange, type TransactionalStore } from '../../src/store/index.ts';
import { rejected } from '../support/expect-error.ts';

export interface TransactionalStoreUnderTest {
  /** Opens the store, which is empty at first. */
  open(): Promise<TransactionalStore>;
  cleanUp(): Promise<void>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const put = (key: string, value: string) => ({ key: bytes(key), value: bytes(value) });
const remove = (key: string) => ({ key: bytes(key), value: undefined });
const text = ([key, value]: Entry): string => `${new TextDecoder().decode(key)}=${new TextDecoder().decode(value)}`;
const hexOf = (entries: readonly Entry[]): string[] => entries.map(([key, value]) => `${toHex(key)}=${toHex(value)}`);
const everything = { from: new Uint8Array(), to: new Uint8Array(513).fill(0xff) };

// Few different bytes, with the extremes among them: so that keys meet, and prefixes of keys are keys.
const smallKey = fc
  .array(fc.constantFrom(0x00, 0x01, 0x7f, 0x80, 0xfe, 0xff), { minLength: 1, maxLength: 4 })
  .map((array) => Uint8Array.from(array));
const bound = fc.oneof(smallKey, fc.constantFrom(everything.from, everything.to));
const smallValue = fc.uint8Array({ maxLength: 3 });

/** What every TransactionalStore promises. `make` gives an empty store for each test. */
export function describeTransactionalStore(name: string, make: () => Promise<TransactionalStoreUnderTest>): void {
  describe(`TransactionalStore: ${name}`, () => {
    let under: TransactionalStoreUnderTest;
    let store: TransactionalStore;

    const all = async (range: Partial<KeyRange> = {}): Promise<string[]> =>
      (await store.entries({ ...everything, ...range })).map(text);

    beforeEach(async () => {
      under = await make();
      store = await under.open();
    });
    afterEach(async () => {
      await store.close();
      await under.cleanUp();
    });

    it('gives back what was written, and nothing for what was not', async () => {
      assert.equal(await store.commit([put('a', '1'), put('b', '2')]), true);
      assert.deepEqual(await store.get(bytes('a')), bytes('1'));
      assert.deepEqual(await store.get(bytes('b')), bytes('2'));
      assert.equal(await store.get(bytes('c')), undefined);
      assert.equal(await store.get(bytes('')), undefined);
      assert.equal(await store.get(new Uint8Array(5000)), undefined);
    });

    it('replaces and deletes; a delete of what is not there is no failure', async () => {
      await store.commit([put('a', '1'), put('b', '2')]);
      assert.equal(await store.commit([put('a', '3'), remove('b'), remove('c')]), true);
      assert.deepEqual(await all(), ['a=3']);
    });

    it('applies writes in their order: the last to a key counts', async () => {
      await store.commit([put('a', '1'), put('a', '2'), put('b', '1'), remove('b'), remove('c'), put('c', '1')]);
      assert.deepEqual(await all(), ['a=2', 'c=1']);
    });

    it('tells an empty value from none', async () => {
      await store.commit([put('a', '')]);
      assert.deepEqual(await store.get(bytes('a')), new Uint8Array());
      assert.deepEqual(await all(), ['a=']);
      assert.equal(await store.commit([put('a', 'x')], [{ key: bytes('a'), value: undefined }]), false);
      assert.equal(await store.commit([put('a', 'y')], [{ key: bytes('a'), value: new Uint8Array() }]), true);
    });

    it('keeps copies: neither what was given nor what it gives is shared with it', async () => {
      const [key, value] = [bytes('key'), bytes('value')];
      const writing = store.commit([{ key, value }]);
      await writing;
      key.fill(0);
      value.fill(0);
      (await store.get(bytes('key')))?.fill(1);
      (await store.entries(everything)).forEach(([k, v]) => (k.fill(1), v.fill(1)));
      assert.deepEqual(await all(), ['key=value']);
    });

    it('writes nothing where one of the expectations does not hold', async () => {
      await store.commit([put('a', '1')]);
      const writes = [put('a', '9'), put('b', '9')];
      const a = (value: string | undefined) => ({
        key: bytes('a'),
        value: value === undefined ? value : bytes(value),
      });
      const absent = { key: bytes('b'), value: undefined };
      for (const expected of [[a(undefined)], [a('2')], [a('11')], [a('')], [a('1'), { ...absent, value: bytes('') }]])
        assert.equal(await store.commit(writes, expected), false);
      assert.deepEqual(await all(), ['a=1']);
      assert.equal(await store.commit(writes, [a('1'), absent]), true);
      assert.deepEqual(await all(), ['a=9', 'b=9']);
    });

    it('checks expectations against what was there before the writes', async () => {
      assert.equal(await store.commit([put('a', '1')], [{ key: bytes('a'), value: bytes('1') }]), false);
      assert.equal(await store.commit([put('a', '1')], [{ key: bytes('a'), value: undefined }]), true);
    });

    it('takes keys of 1 to 512 bytes; another one fails its commit as a whole', async () => {
      const longest = new Uint8Array(512).fill(0xff);
      await store.commit([{ key: longest, value: bytes('1') }, put('a', '1')]);
      assert.deepEqual(await store.get(longest), bytes('1'));
      for (const key of [new Uint8Array(), new Uint8Array(513), new Uint8Array(5000)]) {
        await rejected(store.commit([put('a', '2'), { key, value: bytes('x') }]), 'bad-value');
        await rejected(store.commit([put('a', '2'), { key, value: undefined }]), 'bad-value');
        await rejected(store.commit([put('a', '2')], [{ key, value: undefined }]), 'bad-value');
      }
      assert.deepEqual(await store.get(bytes('a')), bytes('1'));
    });

    it('does not let a commit that fails take others of the same moment with it', async () => {
      const results = await Promise.allSettled([
        store.commit([put('a', '1')]),
        store.commit([put('b', '1'), { key: new Uint8Array(), value: bytes('x') }]),
        store.commit([put('c', '1')], [{ key: bytes('a'), value: bytes('other') }]),
        store.commit([put('d', '1')]),
      ]);
      assert.deepEqual(
        results.map(({ status }) => status),
        ['fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
      );
      assert.deepEqual(await all(), ['a=1', 'd=1']);
    });

    it('gives ranges in bytewise order: from inclusive, to exclusive, limited, either way', async () => {
      await store.commit(['d', 'b', 'a', 'c', 'aa'].map((key) => put(key, key)));
      assert.deepEqual(await all(), ['a=a', 'aa=aa', 'b=b', 'c=c', 'd=d']);
      const middle = { from: bytes('aa'), to: bytes('c') };
      assert.deepEqual(await all(middle), ['aa=aa', 'b=b']);
      assert.deepEqual(await all({ ...middle, reverse: true }), ['b=b', 'aa=aa']);
      assert.deepEqual(await all({ ...middle, limit: 1 }), ['aa=aa']);
      assert.deepEqual(await all({ ...middle, limit: 1, reverse: true }), ['b=b']);
      assert.deepEqual(await all({ ...middle, limit: 0 }), []);
      assert.deepEqual(await all({ from: bytes('c'), to: bytes('aa') }), []);
      assert.deepEqual(await all({ from: bytes('c'), to: bytes('aa'), reverse: true }), []);
      assert.deepEqual(await all({ from: bytes('b'), to: bytes('b') }), []);
      assert.deepEqual(await all({ from: bytes('b'), to: bytes('b'), reverse: true }), []);
      assert.deepEqual(await all({ from: bytes('c'), to: new Uint8Array(5000).fill(0xff) }), ['c=c', 'd=d']);
    });

    it('gives all keys of a prefix, also of one that ends in 0xff', async () => {
      const keys = [
        [0xfe],
        [0xff],
        [0xff, 0x00],
        [0xff, 0xff],
        [0xff, 0xff, 0x01],
        [0x01, 0xff],
        [0x01, 0xff, 7],
        [0x02],
      ];
      await store.commit(keys.map((key) => ({ key: Uint8Array.from(key), value: Uint8Array.of(1) })));
      const under = async (...prefix: number[]): Promise<number[][]> =>
        (await store.entries(rangeOf(Uint8Array.from(prefix)))).map(([key]) => [...key]);
      assert.deepEqual(await under(0x01, 0xff), [
        [0x01, 0xff],
        [0x01, 0xff, 7],
      ]);
      assert.deepEqual(await under(0xff, 0xff), [
        [0xff, 0xff],
        [0xff, 0xff, 0x01],
      ]);
      assert.equal((await under(0xff)).length, 4);
      assert.equal((await under()).length, keys.length);
    });

    it('does what a sorted map does, whatever is written and asked', async () => {
      const write = fc.record({ key: smallKey, value: fc.option(smallValue, { nil: undefined }) });
      const query = fc.record({ from: bound, to: bound, limit: fc.integer({ min: 0, max: 5 }), reverse: fc.boolean() });
      const step = fc.record({
        writes: fc.array(write, { maxLength: 6 }),
        expected: fc.array(write, { maxLength: 1 }),
        query,
      });
      await fc.assert(
        fc.asyncProperty(fc.array(step, { maxLength: 8 }), async (steps) => {
          await store.commit((await store.entries(everything)).map(([key]) => ({ key, value: undefined })));
          const model = new Map<string, Entry>();
          for (const { writes, expected, query } of steps) {
            const holds = expected.every(({ key, value }) => {
              const stored = model.get(toHex(key))?.[1];
              return stored === undefined || value === undefined ? stored === value : compareBytes(stored, value) === 0;
            });
            assert.equal(await store.commit(writes, expected), holds);
            if (holds)
              for (const { key, value } of writes)
                if (value === undefined) model.delete(toHex(key));
                else model.set(toHex(key), [key, value]);
            assert.deepEqual(hexOf(await store.entries(query)), hexOf(expectedRange(model, query)));
          }
          assert.deepEqual(hexOf(await store.entries(everything)), hexOf(expectedRange(model, everything)));
        }),
        { numRuns: 60 },
      );
    });

    it('holds many entries', async () => {
      const count = 20_000n;
      const numbers = Array.from({ length: Number(count) }, (_, n) => BigInt(n));
      await store.commit(numbers.map((n) => ({ key: storeKey('n/', n), value: storeKey(n) })));
      const { from, to } = rangeOf('n/');
      assert.equal((await store.entries({ from, to })).length, Number(count));
      const [last] = await store.entries({ from, to, reverse: true, limit: 1 });
      assert.deepEqual(last, [storeKey('n/', count - 1n), storeKey(count - 1n)]);
    });

    it('serialises what many commit at once: a counter loses no increment', async () => {
      const key = bytes('counter');
      const increment = async (): Promise<void> => {
        for (;;) {
          const value = await store.get(key);
          const next = bytes(String(Number(new TextDecoder().decode(value ?? bytes('0'))) + 1));
          if (await store.commit([{ key, value: next }], [{ key, value }])) return;
        }
      };
      await Promise.all(Array.from({ length: 40 }, increment));
      assert.deepEqual(await all(), ['counter=40']);
    });

    it('settles what was given before it is closed', async () => {
      const commits = Array.from({ length: 50 }, (_, n) => store.commit([put(String(n), 'x')]));
      await store.close();
      assert.deepEqual(new Set(await Promise.all(commits)), new Set([true]));
    });

    it('refuses everything once closed, and closes twice without harm', async () => {
      await store.close();
      await store.close();
      await store[Symbol.asyncDispose]();
      await rejected(store.get(bytes('a')), 'store-closed');
      await rejected(store.entries(everything), 'store-closed');
      await rejected(store.commit([put('a', '1')]), 'store-closed');
    });
  });
}

function expectedRange(model: ReadonlyMap<string, Entry>, { from, to, limit, reverse = false }: KeyRange): Entry[] {
  const inRange = [...model.values()]
    .filter(([key]) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0)
    .sort(([a], [b]) => compareBytes(a, b));
  return (reverse ? inRange.reverse() : inRange).slice(0, limit);
}
