import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  concatBytes,
  decodeBody,
  decodeCommandPayload,
  decodeEncryptedData,
  decodeEnvelope,
  decodeForwarded,
  decodeSignedEnvelope,
  encodeBody,
  encodeCommandPayload,
  encodeEncryptedData,
  encodeEnvelope,
  encodeForwarded,
  encodeSignedEnvelope,
} from '../../src/codec/index.ts';
import { isRelayError, RelayError, type ErrorCode } from '../../src/errors/index.ts';
import { body, commandPayload, encryptedData, envelope, forwarded, signedEnvelope } from '../support/arbitraries.ts';

interface Codec {
  readonly name: string;
  readonly decode: (bytes: Uint8Array) => unknown;
  /** Encodes what `decode` gave. */
  readonly encode: (value: never) => Uint8Array;
  readonly values: fc.Arbitrary<unknown>;
}

// A plain command may be of any length: nothing of it is a truncation.
const encryptedCommand = commandPayload.filter(({ kind }) => kind === 'encrypted');

const codecs: readonly Codec[] = [
  { name: 'body', decode: decodeBody, encode: encodeBody, values: body },
  { name: 'EncryptedData', decode: decodeEncryptedData, encode: encodeEncryptedData, values: encryptedData },
  {
    name: 'EncryptedData of a command',
    decode: decodeCommandPayload,
    encode: encodeCommandPayload,
    values: encryptedCommand,
  },
  { name: 'envelope', decode: decodeEnvelope, encode: encodeEnvelope, values: envelope },
  { name: 'SignedEnvelope', decode: decodeSignedEnvelope, encode: encodeSignedEnvelope, values: signedEnvelope },
  { name: 'Forwarded', decode: decodeForwarded, encode: encodeForwarded, values: forwarded },
];

const refusals: readonly ErrorCode[] = ['truncated', 'trailing-bytes', 'non-canonical', 'unknown-variant'];

/** A valid encoding with some of its bytes replaced, cut or followed by others. */
function mutated(valid: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const edits = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 });
  const cut = fc.option(fc.nat(), { nil: undefined });
  return fc.tuple(valid, edits, cut, fc.uint8Array({ maxLength: 4 })).map(([bytes, changes, length, tail]) => {
    const kept = length === undefined ? bytes.slice() : bytes.slice(0, length % (bytes.length + 1));
    for (const [at, value] of changes) if (kept.length > 0) kept[at % kept.length] = value;
    return concatBytes(kept, tail);
  });
}

for (const { name, decode, encode, values } of codecs) {
  const valid = values.map((value) => encode(value as never));

  describe(`codec: decoding a ${name}`, () => {
    it('gives back what was encoded', () => {
      fc.assert(
        fc.property(valid, (bytes) => {
          assert.deepEqual(encode(decode(bytes) as never), bytes);
        }),
      );
    });

    it('refuses every truncation', () => {
      fc.assert(
        fc.property(valid, fc.nat(), (bytes, at) => {
          assert.throws(() => decode(bytes.subarray(0, at % bytes.length)), refusedWith('truncated'));
        }),
      );
      const [sample] = fc.sample(valid, 1);
      for (let length = 0; length < sample!.length; length++)
        assert.throws(() => decode(sample!.subarray(0, length)), refusedWith('truncated'));
    });

    it('refuses every trailing byte', () => {
      fc.assert(
        fc.property(valid, fc.uint8Array({ minLength: 1, maxLength: 9 }), (bytes, tail) => {
          assert.throws(() => decode(concatBytes(bytes, tail)), refusedWith('trailing-bytes'));
        }),
      );
    });

    it('throws nothing but a RelayError, whatever the bytes, and accepts only its own encoding', () => {
      fc.assert(
        fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), mutated(valid)), (bytes) => {
          let decoded: unknown;
          try {
            decoded = decode(bytes);
          } catch (error) {
            assert.ok(error instanceof RelayError && refusals.includes(error.code), String(error));
            return;
          }
          assert.deepEqual(encode(decoded as never), bytes);
        }),
        { numRuns: 2000 },
      );
    });

    it('gives copies: later changes of the input, a Buffer too, do not reach what was decoded', () => {
      fc.assert(
        fc.property(valid, (bytes) => {
          const pooled = Buffer.from(bytes);
          const decoded = decode(pooled);
          pooled.fill(0xee);
          assert.deepEqual(encode(decoded as never), bytes);
        }),
      );
    });
  });
}

describe('codec: unknown variants', () => {
  it('are refused one by one in a body', () => {
    for (let variant = 3; variant < 256; variant++)
      assert.throws(() => decodeBody(Uint8Array.of(variant, 0)), refusedWith('unknown-variant'));
  });

  it('are refused one by one in an envelope', () => {
    for (let variant = 2; variant < 256; variant++)
      assert.throws(() => decodeEnvelope(Uint8Array.of(variant, 0)), refusedWith('unknown-variant'));
  });

  it('are refused in fromKind', () => {
    const bytes = new Uint8Array(200);
    for (let kind = 2; kind < 256; kind++) {
      bytes.set([1, kind]);
      assert.throws(() => decodeEnvelope(bytes), refusedWith('unknown-variant'));
    }
  });
});

describe('codec: lengths in untrusted bytes', () => {
  const dataOf = (...length: number[]) => Uint8Array.of(0, ...length);

  it('are refused in a longer form than needed', () => {
    const zeros = new Uint8Array(70);
    for (const padded of [
      [1, 0], // 0 in two bytes
      [(63 << 2) | 1, 0], // 63 in two bytes
      [2, 0, 0, 0], // 0 in four bytes
      [0xfe, 0xff, 0, 0], // 16 383 in four bytes
      [3, 0, 0, 0, 0], // 0 in the big form, which no length here may have
      [7, 1, 0, 0, 0, 0],
    ])
      assert.throws(() => decodeBody(concatBytes(dataOf(...padded), zeros)), refusedWith('non-canonical'));
  });

  it('take no memory where they promise more than is there', () => {
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 1000; i++)
      assert.throws(() => decodeBody(dataOf(0xfe, 0xff, 0xff, 0xff)), refusedWith('truncated'));
    assert.ok(process.memoryUsage().arrayBuffers - before < 2 ** 24);
  });

  it('decode at the bounds of each form', () => {
    for (const length of [0, 63, 64, 16_383, 16_384, 1 << 20]) {
      const bytes = encodeBody({ kind: 'data', content: new Uint8Array(length) });
      const decoded = decodeBody(bytes);
      assert.equal(decoded.kind === 'data' && decoded.content.length, length);
    }
  });
});

function refusedWith(code: ErrorCode): (error: unknown) => boolean {
  return (error) => isRelayError(error, code);
}
