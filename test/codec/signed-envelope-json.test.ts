import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  decodeSignedEnvelope,
  encodeEnvelope,
  fromHex,
  signedEnvelopeFromJson,
  signedEnvelopeToJson,
  toHex,
} from '../../src/codec/index.ts';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import { vectors } from '../support/vectors.ts';

const signed = decodeSignedEnvelope(fromHex(vectors.signedEnvelopes[0]!.signedEnvelope!));
const json = signedEnvelopeToJson(signed);

describe('codec: a signed envelope as JSON', () => {
  it('refuses a field that differs from the header', () => {
    for (const change of [
      { from: json.to },
      { to: json.from },
      { nonce: (BigInt(json.nonce) + 1n).toString() },
      { nonce: `0${json.nonce}` },
      { nonce: `0x${BigInt(json.nonce).toString(16)}` },
    ])
      assert.throws(
        () => signedEnvelopeFromJson({ ...json, ...change }),
        (error) => isRelayError(error, 'field-mismatch'),
      );
  });

  it('takes upper-case hex', () => {
    const upper = { ...json, from: json.from.toUpperCase().replace('0X', '0x') };
    assert.deepEqual(signedEnvelopeFromJson(upper), signed);
  });

  it('refuses a field that is missing or no string', () => {
    for (const field of ['from', 'to', 'nonce', 'payload', 'sig'] as const)
      for (const value of [undefined, null, 1, {}, ['0x00']])
        assert.throws(
          () => signedEnvelopeFromJson({ ...json, [field]: value }),
          (error) => isRelayError(error, 'bad-value'),
        );
  });

  it('throws nothing but a RelayError, whatever the JSON', () => {
    const values = fc.oneof(
      fc.jsonValue(),
      fc.record({ from: fc.string(), to: fc.string(), nonce: fc.string(), payload: fc.string(), sig: fc.string() }),
      fc.uint8Array().map((bytes) => ({ ...json, payload: toHex(bytes) })),
    );
    fc.assert(
      fc.property(values, (value) => {
        assert.throws(() => signedEnvelopeFromJson(value), RelayError);
      }),
    );
  });

  it('does not carry what pRuntime exchanges', () => {
    const envelope = encodeEnvelope({
      suite: 'phala',
      iv: new Uint8Array(12),
      pubkey: new Uint8Array(32),
      data: new Uint8Array(16),
    });
    const refused = (error: unknown) => isRelayError(error, 'unknown-variant');
    assert.throws(() => signedEnvelopeToJson({ ...signed, envelope }), refused);
    assert.throws(() => signedEnvelopeFromJson({ ...json, payload: toHex(envelope) }), refused);
  });
});
