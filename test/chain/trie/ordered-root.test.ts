import assert from 'node:assert/strict';
import fc from 'fast-check';
import { orderedRoot } from '../../../src/chain/trie/ordered-root.ts';
import { toHex } from '../../../src/codec/index.ts';
import { orderedRoot as rootOfDevChain } from '../../../src/dev-chain/block/extrinsics-root.ts';
import { hash } from './support.ts';

const versions = [0, 1] as const;

describe('The root of a list', () => {
  it('is that of an empty trie where there is nothing in it', () => {
    for (const version of versions)
      assert.equal(
        orderedRoot([], version, hash),
        '0x03170a2e7597b7b7e3d84c05391d139a62b157e78786d8c082f29dcf4c111314',
      );
  });

  // Places of one, two and four bytes.
  for (const count of [1, 2, 16, 17, 63, 64, 65, 300, 16_384, 16_385])
    it(`is what a state trie of its places has, of ${count}`, () => {
      const values = Array.from({ length: count }, (_, i) => new Uint8Array(i % 70).fill(i));
      for (const version of versions)
        assert.equal(
          orderedRoot(values, version, hash),
          rootOfDevChain(values.map(toHex), version, { blake2b256: hash.binary }),
        );
    });

  it('is another one wherever the list is, and in the other layout where a value is of more than 32 bytes', () => {
    const values = fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 90 });
    fc.assert(
      fc.property(values, values, (one, other) => {
        const [a, b] = [one, other].map((list) => versions.map((version) => orderedRoot(list, version, hash))) as [
          string[],
          string[],
        ];
        const isSame = JSON.stringify(one.map(toHex)) === JSON.stringify(other.map(toHex));
        assert.equal(a[0] === b[0], isSame);
        assert.equal(a[1] === b[1], isSame);
        assert.equal(
          a[0] === a[1],
          one.every(({ length }) => length <= 32),
        );
      }),
    );
  });
});
