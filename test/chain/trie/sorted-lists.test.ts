import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fastFromHexAll } from '../../../src/chain/storage/fast-hex.ts';
import { SortedLists } from '../../../src/chain/trie/sorted-lists.ts';
import { toHex } from '../../../src/codec/index.ts';

const keys = fc.string({ unit: fc.constantFrom('0', '7', 'f'), minLength: 1, maxLength: 5 });

describe('lists by sorted keys', () => {
  it('are found in whatever order they are looked for', () => {
    fc.assert(
      fc.property(fc.uniqueArray(keys), fc.array(keys), fc.boolean(), (present, wanted, inOrder) => {
        const lists = new SortedLists();
        const model = new Map<string, Uint8Array>();
        [...present].sort().forEach((key, i) => {
          const list = Uint8Array.of(0, 4, 4, i);
          lists.add(key, list);
          model.set(key, list);
        });
        for (const key of inOrder ? [...wanted, ...present].sort() : [...wanted, ...present])
          assert.deepEqual(lists.find(key), model.get(key) ?? new Uint8Array(0));
      }),
    );
  });
});

describe('hex decoded together', () => {
  it('is what each is alone, or nothing where one is not hex', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 40 })), (list) => {
        const texts = list.map(toHex);
        assert.deepEqual(fastFromHexAll(texts), list);
        for (const bad of ['0x0', '00', '0xzz', '0x0\u0130']) assert.equal(fastFromHexAll([...texts, bad]), undefined);
      }),
    );
  });
});
