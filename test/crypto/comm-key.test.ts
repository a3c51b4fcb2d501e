import assert from 'node:assert/strict';
import { HDKey } from '@scure/bip32';
import fc from 'fast-check';
import { compareBytes, toHex } from '../../src/codec/index.ts';
import { activateBackend, deriveCommKey, type CryptoBackend } from '../../src/crypto/core.ts';
import { loadNodeBackend } from '../../src/crypto/node-backend.ts';
import { portableBackend } from '../../src/crypto/portable-backend.ts';
import * as arbitrary from '../support/arbitraries.ts';
import { thrown } from '../support/expect-error.ts';

const key = arbitrary.fixed(32);

describe('crypto: CommKey', () => {
  let node: CryptoBackend;
  before(async () => {
    node = await loadNodeBackend();
  });
  after(() => activateBackend(node));

  it("is m/1'/d' of BIP32 over Z, as @scure/bip32 derives it, with both backends", () => {
    for (const backend of [portableBackend, node]) {
      activateBackend(backend);
      fc.assert(
        fc.property(key, key, key, (z, senderKey, recipientKey) => {
          const d = compareBytes(senderKey, recipientKey) < 0 ? 0 : 1;
          const expected = HDKey.fromMasterSeed(z).derive(`m/1'/${d}'`).privateKey;
          assert.equal(toHex(deriveCommKey({ z, senderKey, recipientKey })), toHex(expected!));
        }),
        { numRuns: 25 },
      );
    }
  });

  it('has 32 bytes, also where the number is small', () => {
    activateBackend(node);
    fc.assert(
      fc.property(key, key, key, (z, senderKey, recipientKey) => {
        assert.equal(deriveCommKey({ z, senderKey, recipientKey }).length, 32);
      }),
      { numRuns: 600 },
    );
  });

  it('differs between the two directions, and is the same for both sides of one', () => {
    fc.assert(
      fc.property(key, key, key, (z, a, b) => {
        fc.pre(compareBytes(a, b) !== 0);
        const [there, back] = [
          deriveCommKey({ z, senderKey: a, recipientKey: b }),
          deriveCommKey({ z, senderKey: b, recipientKey: a }),
        ];
        assert.notEqual(toHex(there), toHex(back));
      }),
    );
  });

  it('takes the direction from the first byte that differs, as unsigned', () => {
    const z = new Uint8Array(32).fill(1);
    const at = (index: number, byte: number) => new Uint8Array(32).fill(byte, index, index + 1);
    const up = (a: Uint8Array, b: Uint8Array): string => toHex(deriveCommKey({ z, senderKey: a, recipientKey: b }));
    const ascending = up(at(0, 0), at(0, 1));
    assert.equal(up(at(0, 0x7f), at(0, 0x80)), ascending);
    assert.equal(up(at(31, 0x01), at(31, 0xff)), ascending);
    assert.equal(up(at(31, 0xff), at(0, 0x01)), ascending);
    assert.notEqual(up(at(0, 0x80), at(0, 0x7f)), ascending);
  });

  it('is an error for the values that BIP32 calls invalid', () => {
    const order = Uint8Array.from(
      Buffer.from('fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141', 'hex'),
    );
    const input = { z: new Uint8Array(32), senderKey: new Uint8Array(32), recipientKey: new Uint8Array(32).fill(1) };
    const zero = new Uint8Array(32);
    const minusOne = order.slice();
    minusOne[31]! -= 1;
    const one = zero.slice();
    one[31] = 1;
    const derive = (...lefts: Uint8Array[]): Uint8Array => {
      let call = 0;
      const hmacSha512 = (): Uint8Array => new Uint8Array([...lefts[call++]!, ...zero]);
      return withBackend({ ...node, hmacSha512 }, () => deriveCommKey(input));
    };
    thrown(() => derive(zero), 'derivation-invalid');
    thrown(() => derive(order), 'derivation-invalid');
    thrown(() => derive(one, order), 'derivation-invalid');
    thrown(() => derive(one, minusOne), 'derivation-invalid');
    thrown(() => derive(one, zero, new Uint8Array(32).fill(0xff)), 'derivation-invalid');
    assert.equal(toHex(derive(one, zero, one)), `0x${'00'.repeat(31)}02`);
  });

  function withBackend<T>(broken: CryptoBackend, work: () => T): T {
    // The self-test would refuse it: so it breaks only after.
    let isBroken = false;
    activateBackend({
      ...node,
      hmacSha512: (...input) => (isBroken ? broken.hmacSha512(...input) : node.hmacSha512(...input)),
    });
    isBroken = true;
    return work();
  }
});
