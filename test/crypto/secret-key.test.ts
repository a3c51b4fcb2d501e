import assert from 'node:assert/strict';
import { keyFromPath, keyExtractPath, sr25519PairFromSeed } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { fromHex, toHex } from '../../src/codec/index.ts';
import {
  agree,
  canonicalSecretKey,
  keyPairFromSecretKey,
  keyPairFromSeed,
  sign,
  verify,
} from '../../src/crypto/core.ts';
import { ready } from '../../src/crypto/index.ts';
import { isCanonicalScalar } from '../../src/crypto/secret-key.ts';
import * as arbitrary from '../support/arbitraries.ts';
import { thrown } from '../support/expect-error.ts';
import { keysOf, vectors } from '../support/vectors.ts';

const order = (1n << 252n) + 27742317777372353535851937790883648493n;

describe('crypto: secret keys', () => {
  before(ready);

  it('of 64 bytes are taken in both layouts, and are one key', () => {
    for (const keys of vectors.keys) {
      const fromPolkadot = sr25519PairFromSeed(fromHex(keys.ecdhSeed)).secretKey;
      const canonical = fromPolkadot.slice();
      canonical.set(fromHex(keys.ecdhScalarCanonical));
      for (const secretKey of [fromPolkadot, canonical]) {
        const pair = keyPairFromSecretKey(secretKey);
        assert.equal(toHex(pair.publicKey), keys.ecdhPublic);
        assert.equal(toHex(pair.secretKey), toHex(canonical));
      }
      const peer = fromHex(keysOf(keys.name === 'bob' ? 'carol' : 'bob').ecdhPublic);
      assert.equal(toHex(agree(fromPolkadot, peer)), toHex(agree(canonical, peer)));
      const message = Uint8Array.of(1);
      for (const secretKey of [fromPolkadot, canonical])
        assert.ok(verify(fromHex(keys.ecdhPublic), message, sign(secretKey, message)));
    }
  });

  it('expanded from any seed are the same from seed, from polkadot-js and from their canonical form', () => {
    fc.assert(
      fc.property(arbitrary.fixed(32), (seed) => {
        const theirs = sr25519PairFromSeed(seed);
        const ours = keyPairFromSeed(seed);
        assert.equal(toHex(ours.publicKey), toHex(theirs.publicKey));
        assert.equal(toHex(canonicalSecretKey(theirs.secretKey)), toHex(ours.secretKey));
        assert.equal(toHex(canonicalSecretKey(ours.secretKey)), toHex(ours.secretKey));
        assert.equal(toHex(keyPairFromSeed(toHex(seed)).publicKey), toHex(ours.publicKey));
      }),
      { numRuns: 25 },
    );
  });

  it('that are softly derived are right where their layout is said', () => {
    const root = sr25519PairFromSeed(new Uint8Array(32).fill(9));
    for (let index = 0; index < 24; index++) {
      const derived = keyFromPath(root, keyExtractPath(`/${index}`).path, 'sr25519');
      const canonical = canonicalSecretKey(derived.secretKey, 'ed25519');
      assert.equal(toHex(keyPairFromSecretKey(canonical).publicKey), toHex(derived.publicKey));
      assert.equal(toHex(canonicalSecretKey(canonical, 'canonical')), toHex(canonical));
    }
  });

  it('are refused with another length than 64 bytes', () => {
    for (const length of [0, 32, 63, 65, 96]) {
      const { details } = thrown(() => canonicalSecretKey(new Uint8Array(length).fill(1)), 'bad-secret-key');
      assert.match(String(details?.['reason']), new RegExp(`${length} bytes`));
    }
    for (const length of [0, 31, 33, 64]) thrown(() => keyPairFromSeed(new Uint8Array(length)), 'bad-length');
  });

  it('are refused with a scalar that is zero, the group order or above it', () => {
    thrown(() => canonicalSecretKey(withScalar(0n)), 'bad-secret-key');
    thrown(() => canonicalSecretKey(withScalar(0n), 'ed25519'), 'bad-secret-key');
    thrown(() => canonicalSecretKey(withScalar(order), 'canonical'), 'bad-secret-key');
    thrown(() => canonicalSecretKey(withScalar(order * 8n), 'auto'), 'bad-secret-key');
    thrown(() => canonicalSecretKey(withScalar((1n << 256n) - 8n)), 'bad-secret-key');
    assert.equal(canonicalSecretKey(withScalar(order - 1n)).length, 64);
    assert.equal(canonicalSecretKey(withScalar((order - 1n) * 8n)).length, 64);
  });

  it('are refused where the scalar is of neither layout', () => {
    thrown(() => canonicalSecretKey(withScalar(order + 1n)), 'bad-secret-key');
    thrown(() => canonicalSecretKey(withScalar(9n), 'ed25519'), 'bad-secret-key');
  });

  it('are not changed in place', () => {
    const secretKey = sr25519PairFromSeed(new Uint8Array(32).fill(7)).secretKey;
    const before = toHex(secretKey);
    keyPairFromSecretKey(secretKey);
    agree(secretKey, fromHex(keysOf('bob').ecdhPublic));
    sign(secretKey, Uint8Array.of(1));
    assert.equal(toHex(secretKey), before);
    const seed = new Uint8Array(32).fill(7);
    keyPairFromSeed(seed);
    assert.equal(toHex(seed), toHex(new Uint8Array(32).fill(7)));
  });

  it('have scalars below the group order', () => {
    assert.ok(isCanonicalScalar(withScalar(order - 1n).slice(0, 32)));
    assert.ok(!isCanonicalScalar(withScalar(order).slice(0, 32)));
  });
});

function withScalar(scalar: bigint): Uint8Array {
  const bytes = new Uint8Array(64).fill(7);
  bytes.set(fromHex(`0x${scalar.toString(16).padStart(64, '0')}`).reverse());
  return bytes;
}
