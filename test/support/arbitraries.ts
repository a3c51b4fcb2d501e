import fc from 'fast-check';
import { toHex, type BodyInput, type EnvelopeInput, type HeaderInput } from '../../src/codec/index.ts';

/** Exactly `length` bytes. */
export const fixed = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
export const id = fixed(32).map(toHex);
export const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
export const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
/** Lengths on both sides of each form of a compact length. */
export const content = fc.oneof(
  fc.uint8Array({ maxLength: 70 }),
  fc.constantFrom(63, 64, 16_383, 16_384).chain((length) => fc.constant(new Uint8Array(length).fill(7))),
);

export const body: fc.Arbitrary<BodyInput> = fc.oneof(
  fc.record({ kind: fc.constant('data' as const), content }),
  fc.record({ kind: fc.constant('invocation' as const), to: id, input: content }),
  fc.record({ kind: fc.constant('reply' as const), inReplyTo: id, content }),
);

export const header: fc.Arbitrary<HeaderInput> = fc.record({
  fromKind: fc.constantFrom('worker', 'account'),
  from: id,
  to: id,
  senderKey: fixed(32),
  recipientKey: fixed(32),
  nonce: u64,
  sentAt: u64,
});

export const encryptedData = fc.record({ iv: fixed(12), pubkey: fixed(32), data: content });

export const commandPayload = fc.oneof(
  fc.record({ kind: fc.constant('plain' as const), content }),
  encryptedData.map((data) => ({ kind: 'encrypted' as const, ...data })),
);

const envelopeV1 = fc.record({ suite: fc.constant('v1' as const), header, iv: fixed(12), ciphertext: content });

export const envelope: fc.Arbitrary<EnvelopeInput> = fc.oneof(
  envelopeV1,
  encryptedData.map((data) => ({ suite: 'phala' as const, ...data })),
);

export const signedEnvelope = fc.record({ identity: id, signature: fixed(64), envelope: content });

export const forwarded = fc.record({ hops: fc.integer({ min: 0, max: 255 }), signedEnvelope: content });
