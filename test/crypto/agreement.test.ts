import assert from 'node:assert/strict';
import { sr25519Agreement, sr25519PairFromSeed } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/codec/index.ts';
import { activateBackend, agree, checkPublicKey, keyPairFromSeed, verify } from '../../src/crypto/core.ts';
import { loadNodeBackend } from '../../src/crypto/node-backend.ts';
import { portableBackend } from '../../src/crypto/portable-backend.ts';
import * as arbitrary from '../support/arbitraries.ts';
import { thrown } from '../support/expect-error.ts';
import { hostileEncodings } from '../support/hostile-keys.ts';
import { printedBy } from '../support/printed.ts';
import { keysOf } from '../support/vectors.ts';

const backends = { portable: async () => portableBackend, node: loadNodeBackend };

for (const [name, load] of Object.entries(backends)) {
  describe(`crypto: agreement, ${name} backend`, () => {
    before(async () => activateBackend(await load()));
    after(async () => activateBackend(await loadNodeBackend()));

    it('is what util-crypto agrees on, from both sides', () => {
      fc.assert(
        fc.property(arbitrary.fixed(32), arbitrary.fixed(32), (one, two) => {
          const [a, b] = [sr25519PairFromSeed(one), sr25519PairFromSeed(two)];
          const z = toHex(sr25519Agreement(a.secretKey, b.publicKey));
          assert.equal(toHex(agree(a.secretKey, b.publicKey)), z);
          assert.equal(toHex(agree(b.secretKey, a.publicKey)), z);
        }),
        { numRuns: 6 },
      );
    });

    it('is refused with every key that is none, saying why, and nothing traps or prints', () => {
      const { secretKey } = keyPairFromSeed(keysOf('alice').ecdhSeed);
      const printed = printedBy(() => {
        for (const [what, publicKey] of hostileEncodings) {
          thrown(() => agree(secretKey, publicKey), 'bad-public-key');
          const { message } = thrown(() => checkPublicKey(publicKey), 'bad-public-key');
          assert.match(message, publicKey.length === 32 ? /canonical encoding/ : /bytes instead of 32/, what);
          assert.equal(verify(publicKey, Uint8Array.of(1), new Uint8Array(64).fill(0x80)), false);
        }
      });
      assert.equal(printed, '');
      agree(secretKey, fromHex(keysOf('bob').ecdhPublic));
    });

    it('leaves a secret key as it was given, also one in a Buffer', () => {
      const secretKey = Buffer.from(keyPairFromSeed(keysOf('alice').ecdhSeed).secretKey);
      const before = toHex(secretKey);
      agree(secretKey, fromHex(keysOf('bob').ecdhPublic));
      assert.equal(toHex(secretKey), before);
    });

    it('is refused with a key of the wrong length before the secret key is looked at', () => {
      thrown(() => agree(new Uint8Array(), new Uint8Array(31)), 'bad-public-key');
      thrown(() => agree(new Uint8Array(), fromHex(keysOf('bob').ecdhPublic)), 'bad-secret-key');
    });
  });
}

describe('crypto: agreement', () => {
  after(async () => activateBackend(await loadNodeBackend()));

  it('is refused where its result is zero, whatever the backend thinks of the key', () => {
    const { secretKey } = keyPairFromSeed(keysOf('alice').ecdhSeed);
    const peer = fromHex(keysOf('carol').ecdhPublic);
    activateBackend({
      ...portableBackend,
      multiply: (scalar, point) =>
        toHex(point) === toHex(peer) ? new Uint8Array(32) : portableBackend.multiply(scalar, point),
    });
    thrown(() => agree(secretKey, peer), 'bad-shared-secret');
  });

  it('and verification never trap or print with the node backend, whatever comes in', async () => {
    activateBackend(await loadNodeBackend());
    const { publicKey } = keyPairFromSeed(keysOf('alice').identitySeed);
    const key = fc.oneof(fc.constant(publicKey), arbitrary.fixed(32), fc.uint8Array({ maxLength: 40 }));
    const marked = arbitrary.fixed(64).map((bytes) => (bytes.fill(0x80, 63), bytes));
    const small = arbitrary.fixed(64).map((bytes) => (bytes.fill(0, 60).fill(0x80, 63), bytes));
    const signature = fc.oneof(arbitrary.fixed(64), marked, small, fc.uint8Array({ maxLength: 70 }));
    const printed = printedBy(() => {
      fc.assert(
        fc.property(key, fc.uint8Array(), signature, (someKey, message, someSignature) => {
          assert.equal(verify(someKey, message, someSignature), false);
        }),
        { numRuns: 500 },
      );
    });
    assert.equal(printed, '');
  });
});
