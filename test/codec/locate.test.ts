import assert from 'node:assert/strict';
import fc from 'fast-check';
import { decodeEnvelope, encodeEnvelope, HeaderStarts, locateV1 } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';

const id = fc.uint8Array({ minLength: 32, maxLength: 32 });
const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const header = fc.record({
  ...{ fromKind: fc.constantFrom('worker' as const, 'account' as const), from: id, to: id },
  ...{ senderKey: id, recipientKey: id, nonce: u64, sentAt: u64 },
});
/** Of every length that its compact form has. */
const ciphertext = fc
  .oneof(fc.nat(70), fc.constantFrom(63, 64, 255, 16_383, 16_384, 16_400))
  .map((length) => new Uint8Array(length).fill(7));
const envelope = fc
  .record({ header, iv: fc.uint8Array({ minLength: 12, maxLength: 12 }), ciphertext })
  .map((parts) => encodeEnvelope({ suite: 'v1', ...parts }));

/** What is found in an envelope, or the code of what is wrong with it. */
function outcomeOf(find: () => unknown): unknown {
  try {
    return find();
  } catch (error) {
    if (!isRelayError(error)) throw error;
    return error.code;
  }
}

function decoded(bytes: Uint8Array): unknown {
  return outcomeOf(() => {
    const found = decodeEnvelope(bytes);
    if (found.suite !== 'v1') return undefined;
    const { header, iv, ciphertext } = found;
    return { header, iv, ciphertext };
  });
}

function located(bytes: Uint8Array): unknown {
  return outcomeOf(() => {
    const found = locateV1(bytes, new HeaderStarts());
    if (found === undefined) return undefined;
    const { header, ivAt, ciphertextAt, ciphertextLength } = found;
    return {
      header,
      iv: bytes.slice(ivAt, ivAt + 12),
      ciphertext: bytes.slice(ciphertextAt, ciphertextAt + ciphertextLength),
    };
  });
}

describe('codec: where an envelope has what', () => {
  it('is where decoding finds it, whatever the length', () => {
    fc.assert(fc.property(envelope, (bytes) => assert.deepEqual(located(bytes), decoded(bytes))));
  });

  it('is refused as by decoding, whatever is wrong with it', () => {
    const change = fc.record({
      at: fc.integer({ min: 1, max: 170 }),
      to: fc.nat(255),
      cut: fc.integer({ min: -3, max: 200 }),
    });
    fc.assert(
      fc.property(envelope, change, (bytes, { at, to, cut }) => {
        const altered = new Uint8Array(cut < 0 ? bytes.length - cut : Math.max(1, bytes.length - cut));
        altered.set(bytes.subarray(0, altered.length));
        if (at < altered.length) altered[at] = to;
        assert.deepEqual(located(altered), decoded(altered));
      }),
      { numRuns: 1_000 },
    );
  });
});
