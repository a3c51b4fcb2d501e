import assert from 'node:assert/strict';
import { sr25519Agreement, sr25519PairFromSeed, sr25519Sign, sr25519Verify } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { before, describe, it } from 'mocha';
import { concatBytes, fromHex, toHex } from '../../src/codec/index.ts';
import type { CryptoBackend } from '../../src/crypto/core.ts';
import { canonicalSecretKey } from '../../src/crypto/core.ts';
import { selfTest } from '../../src/crypto/self-test.ts';
import * as arbitrary from '../support/arbitraries.ts';
import { flipped, hostileEncodings, identityEncoding } from '../support/hostile-keys.ts';
import { keysOf, vectors } from '../support/vectors.ts';

const runs = { numRuns: 12 };
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const seed = arbitrary.fixed(32);
const message = fc.uint8Array({ maxLength: 300 });

/** Key pair of util-crypto and the same secret in canonical layout. */
function pairOf(bytes: Uint8Array): { publicKey: Uint8Array; theirs: Uint8Array; canonical: Uint8Array } {
  const { publicKey, secretKey } = sr25519PairFromSeed(bytes);
  return { publicKey, theirs: secretKey, canonical: canonicalSecretKey(secretKey, 'ed25519') };
}

/** What every CryptoBackend promises; `others` are held against it. */
export function describeBackend(
  name: string,
  load: () => Promise<CryptoBackend>,
  loadOther: () => Promise<CryptoBackend>,
): void {
  describe(`CryptoBackend: ${name}`, () => {
    let backend: CryptoBackend;
    let other: CryptoBackend;
    before(async () => {
      [backend, other] = [await load(), await loadOther()];
    });

    it('passes the self-test', () => {
      selfTest(backend);
    });

    it('has the public keys of util-crypto', () => {
      fc.assert(
        fc.property(seed, (bytes) => {
          const { publicKey, canonical } = pairOf(bytes);
          assert.equal(toHex(backend.publicKey(canonical)), toHex(publicKey));
        }),
        runs,
      );
    });

    it('agrees on what util-crypto agrees on', () => {
      fc.assert(
        fc.property(seed, seed, (one, two) => {
          const [a, b] = [pairOf(one), pairOf(two)];
          const expected = toHex(sr25519Agreement(a.theirs, b.publicKey));
          assert.equal(toHex(backend.multiply(a.canonical.slice(0, 32), b.publicKey)), expected);
          assert.equal(toHex(backend.multiply(b.canonical.slice(0, 32), a.publicKey)), expected);
        }),
        runs,
      );
    });

    it('makes signatures that the other backend and util-crypto take, and takes theirs', () => {
      fc.assert(
        fc.property(seed, message, (bytes, content) => {
          const { publicKey, theirs, canonical } = pairOf(bytes);
          const own = backend.sign(canonical, publicKey, content);
          assert.equal(own.length, 64);
          assert.ok(backend.verify(publicKey, content, own));
          assert.ok(other.verify(publicKey, content, own));
          assert.ok(sr25519Verify(content, own, publicKey));
          assert.ok(backend.verify(publicKey, content, other.sign(canonical, publicKey, content)));
          assert.ok(backend.verify(publicKey, content, sr25519Sign(content, { publicKey, secretKey: theirs })));
        }),
        runs,
      );
    });

    it('signs with fresh randomness: no signature comes twice', () => {
      const { publicKey, canonical } = pairOf(new Uint8Array(32).fill(1));
      const signatures = [1, 2, 3].map(() => toHex(backend.sign(canonical, publicKey, text('same'))));
      assert.equal(new Set(signatures).size, 3);
    });

    it('refuses a signature with any bit changed, of another message, or by another key', () => {
      const { publicKey, canonical } = pairOf(new Uint8Array(32).fill(2));
      const content = text('content');
      const signature = backend.sign(canonical, publicKey, content);
      for (let bit = 0; bit < 512; bit += 13) assert.ok(!backend.verify(publicKey, content, flipped(signature, bit)));
      for (const bit of [504, 508, 509, 510, 511])
        assert.ok(!backend.verify(publicKey, content, flipped(signature, bit)));
      assert.ok(!backend.verify(publicKey, text('contenT'), signature));
      assert.ok(!backend.verify(fromHex(keysOf('bob').identityPublic), content, signature));
    });

    it('verifies several as it verifies each', () => {
      const items = Array.from({ length: 9 }, (_, i) => {
        const { publicKey, canonical } = pairOf(new Uint8Array(32).fill(i));
        const content = text(`content ${i}`);
        const signature = backend.sign(canonical, publicKey, content);
        return { publicKey, message: content, signature: i % 4 === 1 ? flipped(signature, 280) : signature };
      });
      assert.deepEqual(
        backend.verifyBatch(items),
        items.map((_, i) => i % 4 !== 1),
      );
      assert.deepEqual(backend.verifyBatch([]), []);
    });

    it('refuses a scalar of a signature that is not below the group order', () => {
      const { publicKey, canonical } = pairOf(new Uint8Array(32).fill(3));
      const signature = backend.sign(canonical, publicKey, text('content'));
      const order = (1n << 252n) + 27742317777372353535851937790883648493n;
      const scalar = toNumber(signature.slice(32)) - (1n << 255n) + order;
      const grown = concatBytes(signature.slice(0, 32), toLittleEndian(scalar + (1n << 255n)));
      assert.ok(!backend.verify(publicKey, text('content'), grown));
    });

    it('answers false, and never throws, whatever it is given to verify', () => {
      const valid = vectors.ecdhRecords.find(({ valid }) => valid)!;
      const publicKey = fromHex(keysOf(valid.entity).identityPublic);
      const content = fromHex(valid.signedContent);
      const bytes = fc.oneof(arbitrary.fixed(32), arbitrary.fixed(64), fc.uint8Array({ maxLength: 100 }));
      const key = fc.oneof(fc.constant(publicKey), fc.constantFrom(...hostileEncodings.values()), bytes);
      fc.assert(
        fc.property(key, fc.oneof(fc.constant(content), message), bytes, (someKey, someContent, signature) => {
          assert.equal(backend.verify(someKey, someContent, signature), false);
          // With the mark of sr25519 and a small scalar it gets as far as the arithmetic.
          const marked = concatBytes(signature.slice(0, 32), new Uint8Array(32).fill(1));
          marked[marked.length - 1] = 0x80;
          assert.equal(backend.verify(someKey, someContent, marked), false);
        }),
        { numRuns: 60 },
      );
    });

    it('takes no signature of the key that is zero, which anyone could make', () => {
      // R = s·G verifies for the identity, whatever the message.
      const s = Uint8Array.of(5, ...new Uint8Array(31));
      const r = backend.publicKey(concatBytes(s, new Uint8Array(32)));
      const forged = concatBytes(r, s);
      forged[63] = 0x80;
      assert.ok(!backend.verify(identityEncoding, text('anything'), forged));
    });

    it('tells points from what is none', () => {
      for (const { identityPublic, ecdhPublic } of vectors.keys)
        for (const key of [identityPublic, ecdhPublic]) assert.ok(backend.isPoint(fromHex(key)));
      for (const [what, bytes] of hostileEncodings) assert.ok(!backend.isPoint(bytes), what);
    });

    it('tells the same points as the other backend', () => {
      // About one in sixteen random strings is a point.
      fc.assert(
        fc.property(arbitrary.fixed(32), (bytes) => {
          assert.equal(backend.isPoint(bytes), other.isPoint(bytes));
        }),
        { numRuns: 300 },
      );
    });

    it('has SHA-512 and HMAC-SHA512 of the standards', () => {
      // FIPS 180-4 (abc), RFC 4231 §4.3.
      assert.match(toHex(backend.sha512(text('abc'))), /^0xddaf35a193617abacc417349ae204131.*a54ca49f$/);
      assert.equal(
        toHex(backend.hmacSha512(text('Jefe'), text('what do ya want for nothing?'))),
        '0x164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737',
      );
    });

    it('hashes as the other backend does, any key and any data', () => {
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), message, (key, data) => {
          assert.equal(toHex(backend.sha512(data)), toHex(other.sha512(data)));
          assert.equal(toHex(backend.hmacSha512(key, data)), toHex(other.hmacSha512(key, data)));
        }),
      );
    });

    it('opens what the other backend seals: the same bytes, any length', () => {
      fc.assert(
        fc.property(arbitrary.fixed(32), arbitrary.fixed(12), message, arbitrary.content, (key, iv, aad, content) => {
          const sealed = backend.sealAes256Gcm(key, iv, aad, content);
          assert.equal(sealed.length, content.length + 16);
          assert.equal(toHex(sealed), toHex(other.sealAes256Gcm(key, iv, aad, content)));
          assert.equal(toHex(other.openAes256Gcm(key, iv, aad, sealed) ?? text('closed')), toHex(content));
          assert.equal(toHex(backend.openAes256Gcm(key, iv, aad, sealed) ?? text('closed')), toHex(content));
        }),
        { numRuns: 30 },
      );
    });

    it('opens nothing that was altered', () => {
      const [key, iv, aad] = [new Uint8Array(32).fill(1), new Uint8Array(12).fill(2), text('header')];
      const sealed = backend.sealAes256Gcm(key, iv, aad, text('content'));
      for (let bit = 0; bit < sealed.length * 8; bit++)
        assert.equal(backend.openAes256Gcm(key, iv, aad, flipped(sealed, bit)), undefined);
      assert.equal(backend.openAes256Gcm(flipped(key, 7), iv, aad, sealed), undefined);
      assert.equal(backend.openAes256Gcm(key, flipped(iv, 7), aad, sealed), undefined);
      assert.equal(backend.openAes256Gcm(key, iv, flipped(aad, 7), sealed), undefined);
      assert.equal(backend.openAes256Gcm(key, iv, new Uint8Array(), sealed), undefined);
      for (let length = 16; length < sealed.length; length++)
        assert.equal(backend.openAes256Gcm(key, iv, aad, sealed.subarray(0, length)), undefined);
    });

    it('changes nothing that it is given', () => {
      const { publicKey, canonical } = pairOf(new Uint8Array(32).fill(4));
      const inputs = [canonical, publicKey, new Uint8Array(32).fill(5), new Uint8Array(12), text('content')] as const;
      const before = inputs.map(toHex);
      const [secret, point, key, iv, content] = inputs;
      const signature = backend.sign(secret, point, content);
      backend.verify(point, content, signature);
      backend.multiply(secret.subarray(0, 32), point);
      backend.publicKey(secret);
      backend.openAes256Gcm(key, iv, content, backend.sealAes256Gcm(key, iv, content, content));
      backend.hmacSha512(key, content);
      assert.deepEqual(inputs.map(toHex), before);
    });
  });
}

function toNumber(bytes: Uint8Array): bigint {
  return BigInt(toHex(bytes.slice().reverse()));
}

function toLittleEndian(value: bigint): Uint8Array {
  return fromHex(`0x${value.toString(16).padStart(64, '0')}`).reverse();
}
