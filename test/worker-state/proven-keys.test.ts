import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fromHex, toHex, type Hex } from '../../src/codec/index.ts';
import { checkKeyPage, emptyKeyPage, keysIn, withKeys, type ProvenKey } from '../../src/worker-state/key-page.ts';
import { ProvenKeys } from '../../src/worker-state/proven-keys.ts';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const key = fc.record(
  {
    epoch: fc.nat(2 ** 32 - 1),
    ecdhKey: bytes(32),
    proven: fc.constant(true),
    signature: bytes(64).map((signature) => signature.fill(7, 63)),
  },
  { requiredKeys: ['epoch', 'ecdhKey', 'proven'], noNullPrototype: true },
);
/** Few, so that they come again. */
const id = fc
  .tuple(fc.nat(3), fc.nat(3))
  .map(([first, last]) => toHex(new Uint8Array(32).fill(first, 0, 16).fill(last, 16)));
const change = fc.array(fc.tuple(id, fc.array(key, { minLength: 1, maxLength: 3 })), { maxLength: 6 });

describe('proven keys in pages', () => {
  it('are what a map would hold after any changes', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 6 }), (changes) => {
        const [pages, map] = [new ProvenKeys(), new Map<Hex, readonly ProvenKey[]>()];
        for (const each of changes) {
          const distinct = new Map(each);
          pages.put(distinct);
          for (const [id, keys] of distinct) map.set(id, keys);
        }
        for (const [id, keys] of map) assert.deepEqual(pages.of(fromHex(id)), keys);
        assert.deepEqual(pages.of(new Uint8Array(32).fill(9)), []);
      }),
    );
  });

  it('leave a page as it is where nothing changes', () => {
    const id = new Uint8Array(32).fill(1);
    const keys = [{ epoch: 3, ecdhKey: id, proven: true }];
    const page = withKeys(emptyKeyPage, [[toHex(id), keys]]);
    assert.equal(withKeys(page, [[toHex(id), keys]]), page);
    checkKeyPage(page);
    assert.deepEqual(keysIn(page, id), keys);
    assert.throws(() => checkKeyPage(page.slice(0, 20)));
  });
});
