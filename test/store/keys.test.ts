import assert from 'node:assert/strict';
import fc from 'fast-check';
import { compareBytes, concatBytes, fromHex } from '../../src/codec/index.ts';
import { idPart, lastNumber, rangeOf, storeKey } from '../../src/store/index.ts';
import * as arbitrary from '../support/arbitraries.ts';
import { thrown } from '../support/expect-error.ts';

const prefix = fc.uint8Array({ minLength: 1, maxLength: 6 });
const isIn = (key: Uint8Array, { from, to }: ReturnType<typeof rangeOf>): boolean =>
  compareBytes(key, from) >= 0 && compareBytes(key, to) < 0;

describe('store: keys', () => {
  it('are their parts, one after the other', () => {
    assert.deepEqual(
      storeKey('ab', Uint8Array.of(0, 0xff), 258n),
      concatBytes(fromHex('0x616200ff'), fromHex('0x0000000000000102')),
    );
    assert.deepEqual(storeKey('é'), Uint8Array.of(0xc3, 0xa9));
    assert.deepEqual(storeKey(), new Uint8Array());
  });

  it('sort by the number that they end in', () => {
    fc.assert(
      fc.property(prefix, arbitrary.u64, arbitrary.u64, (start, a, b) => {
        const order = compareBytes(storeKey(start, a), storeKey(start, b));
        assert.equal(Math.sign(order), a < b ? -1 : a > b ? 1 : 0);
      }),
    );
  });

  it('give back the number that they end in, also as part of a larger buffer', () => {
    fc.assert(
      fc.property(prefix, arbitrary.u64, (start, number) => {
        assert.equal(lastNumber(storeKey(start, number)), number);
        assert.equal(lastNumber(concatBytes(start, storeKey(number)).subarray(start.length)), number);
      }),
    );
  });

  it('refuse numbers that are not of 64 bits', () => {
    thrown(() => storeKey(-1n), 'bad-value');
    thrown(() => storeKey(1n << 64n), 'bad-value');
  });

  it('take an id as bytes or hex, of 32 bytes only', () => {
    const id = `0x${'ab'.repeat(32)}` as const;
    assert.deepEqual(idPart(id), fromHex(id));
    assert.deepEqual(idPart(fromHex(id)), fromHex(id));
    thrown(() => idPart('0xab'), 'bad-length');
  });

  it('are in the range of their prefix, and no others are', () => {
    const tail = fc.uint8Array({ maxLength: 4 });
    fc.assert(
      fc.property(prefix, tail, fc.uint8Array({ maxLength: 8 }), (start, end, other) => {
        const range = rangeOf(start);
        assert.ok(isIn(concatBytes(start, end), range));
        const begins = compareBytes(other.subarray(0, start.length), start) === 0;
        assert.equal(isIn(other, range), begins);
      }),
    );
  });

  it('are in the range of a prefix of 0xff only, however long they are', () => {
    for (const start of [[], [0xff], [0xff, 0xff]]) {
      const range = rangeOf(Uint8Array.from(start));
      assert.ok(isIn(new Uint8Array(512).fill(0xff), range));
      assert.ok(!isIn(Uint8Array.of(0xfe, 0xff), range) || start.length === 0);
    }
  });
});
