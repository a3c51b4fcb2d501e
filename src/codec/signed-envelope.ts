import { toBytes, toHex, type BytesLike, type Hex } from './hex.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** An off-chain message (protocol.md §8). */
export interface SignedEnvelope {
  /** Sender's IdentityKey; must equal `header.from`. */
  readonly identity: Hex;
  /** 64 bytes by `identity` over {@link envelopeContent}. */
  readonly signature: Uint8Array;
  /** SCALE of the envelope. */
  readonly envelope: Uint8Array;
}

export type SignedEnvelopeInput = { readonly [K in keyof SignedEnvelope]: BytesLike };

export function encodeSignedEnvelope({ identity, signature, envelope }: SignedEnvelopeInput): Uint8Array {
  return new Writer()
    .raw(toBytes(identity, 'identity', 32))
    .raw(toBytes(signature, 'signature', 64))
    .bytes(toBytes(envelope, 'The envelope'))
    .finish();
}

/** Throws truncated, trailing-bytes or non-canonical. `isOwn` as for {@link decodeEnvelope}. */
export function decodeSignedEnvelope(bytes: Uint8Array, isOwn = false): SignedEnvelope {
  const reader = new Reader(bytes, 'SignedEnvelope', isOwn);
  const decoded = { identity: toHex(reader.fixed(32)), signature: reader.fixed(64), envelope: reader.bytes() };
  reader.end();
  return decoded;
}
