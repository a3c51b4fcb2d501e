import assert from 'node:assert/strict';
import { sr25519Agreement, sr25519PairFromSeed, sr25519Sign, sr25519Verify } from '@polkadot/util-crypto';
import fc from 'fast-check';
import { before, describe, it } from 'mocha';
import { concatBytes, fromHex, toHex, type Hex } from '../../src/codec/index.ts';
import type { CryptoBackend, SealedPart } from '../../src/crypto/core.ts';
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

    describe('opens several', () => {
      const key = new Uint8Array(32).fill(6);
      const prefix = text('in common');

      /** One after another in the same bytes, what is authenticated first; all at odd places. */
      function laidOut(
        messages: readonly (readonly [iv: Uint8Array, aad: Uint8Array, content: Uint8Array])[],
      ): SealedPart[] {
        const sealed = messages.map(([iv, aad, content]) => [
          iv,
          aad,
          other.sealAes256Gcm(key, iv, concatBytes(prefix, aad), content),
        ]);
        const bytes = concatBytes(Uint8Array.of(0), ...sealed.flat());
        let at = 1;
        return sealed.map(([iv, aad, ciphertext]) => {
          const [ivAt, aadAt] = [at, at + iv!.length];
          const sealedAt = aadAt + aad!.length;
          at = sealedAt + ciphertext!.length;
          return { bytes, ivAt, aadAt, aadLength: aad!.length, sealedAt, sealedLength: ciphertext!.length };
        });
      }

      const open = (parts: readonly SealedPart[]): (Hex | undefined)[] =>
        backend.openAllAes256Gcm(key, prefix, parts).map((opened) => opened && toHex(opened));
      const many = (count: number, length: number) =>
        Array.from(
          { length: count },
          (_, i) => [new Uint8Array(12).fill(i + 1), text(`of ${i}`), new Uint8Array(length).fill(i)] as const,
        );

      it('as each alone, any lengths and any number', () => {
        const one = fc.tuple(
          arbitrary.fixed(12),
          message,
          fc.oneof(arbitrary.content, fc.uint8Array({ maxLength: 5_000 })),
        );
        fc.assert(
          fc.property(fc.array(one, { maxLength: 60 }), (messages) => {
            assert.deepEqual(
              open(laidOut(messages)),
              messages.map(([, , content]) => toHex(content)),
            );
          }),
          { numRuns: 40 },
        );
      });

      it('and says which are not true, whatever of them was altered', () => {
        const parts = laidOut(many(9, 40));
        const [{ bytes } = { bytes: new Uint8Array() }] = parts;
        for (let bit = 8; bit < bytes.length * 8; bit += 3) {
          const changed = flipped(bytes, bit);
          const altered = parts.map((part) => ({ ...part, bytes: changed }));
          const touched = parts.findIndex(({ sealedAt, sealedLength }) => bit < (sealedAt + sealedLength) * 8);
          assert.deepEqual(
            open(altered).map((opened) => opened !== undefined),
            parts.map((_, i) => i !== touched),
          );
        }
      });

      it('and takes none of several that were altered in the same way, or that change their tags', () => {
        const parts = laidOut(many(8, 64));
        const [first, second] = parts as [SealedPart, SealedPart];
        const altered = first.bytes.slice();
        const tagOf = ({ sealedAt, sealedLength }: SealedPart) => sealedAt + sealedLength - 16;
        const tag = altered.slice(tagOf(first), tagOf(first) + 16);
        altered.copyWithin(tagOf(first), tagOf(second), tagOf(second) + 16);
        altered.set(tag, tagOf(second));
        for (const { sealedAt } of parts.slice(2, 6)) altered[sealedAt] = (altered[sealedAt] ?? 0) ^ 1;
        const opened = open(parts.map((part) => ({ ...part, bytes: altered })));
        assert.deepEqual(
          opened.map((each) => each !== undefined),
          [false, false, false, false, false, false, true, true],
        );
      });

      it('and takes no shorter one under the IV of a longer one, made up for by the tag before it', () => {
        const [long, ...others] = laidOut(many(6, 160));
        assert.ok(long !== undefined);
        // The last blocks of a true message under its own tag; what they lack goes into the tag of the one before.
        const cut = { ...long, sealedAt: long.sealedAt + 32, sealedLength: long.sealedLength - 32 };
        const bytes = long.bytes.slice();
        const before = others[0]!;
        const tagAt = before.sealedAt + before.sealedLength - 16;
        for (let i = 0; i < 16; i++) bytes[tagAt + i] = (bytes[tagAt + i] ?? 0) ^ (bytes[long.sealedAt + i] ?? 0);
        const opened = open([before, cut, ...others.slice(1)].map((part) => ({ ...part, bytes })));
        assert.deepEqual(
          opened.map((each) => each !== undefined),
          [false, false, true, true, true, true],
        );
      });
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
