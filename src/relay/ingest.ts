import {
  decodeEnvelope,
  decodeSignedEnvelope,
  encodeSignedEnvelope,
  envelopeContent,
  signedEnvelopeFromJson,
  toHex,
  type Header,
  type Hex,
  type SignedEnvelope,
  type SignedEnvelopeJson,
} from '../codec/index.ts';
import { backend } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';

/** An off-chain message, decoded; nothing about it is proven yet. */
export interface Ingested {
  readonly messageId: Hex;
  /** SCALE of the SignedEnvelope: what is stored and delivered. */
  readonly bytes: Uint8Array;
  /** What the signature is over (protocol.md §8). */
  readonly content: Uint8Array;
  readonly signed: SignedEnvelope;
  readonly header: Header;
}

export interface IngestOptions {
  readonly genesisHash: Hex;
  readonly maxMessageBytes: number;
}

/**
 * First stage: bytes to fields, which are views of them, so they must not change. Throws envelope-too-large,
 * off-chain-only-v1 and what the codec throws.
 */
export type Ingest = (bytes: Uint8Array) => Ingested;

export function createIngest({ genesisHash, maxMessageBytes }: IngestOptions): Ingest {
  const prefix = envelopeContent({ genesisHash, envelope: new Uint8Array() });

  return (bytes) => {
    if (bytes.length > maxMessageBytes)
      throw new RelayError('envelope-too-large', { details: { size: bytes.length, max: maxMessageBytes } });
    const signed = decodeSignedEnvelope(bytes, true);
    const envelope = decodeEnvelope(signed.envelope, true);
    if (envelope.suite !== 'v1')
      throw new RelayError('off-chain-only-v1', { details: { reason: 'it is of suite phala' } });
    if (envelope.header.fromKind !== 'worker')
      throw new RelayError('off-chain-only-v1', { details: { reason: 'its sender is an account' } });
    const content = Buffer.allocUnsafe(prefix.length + signed.envelope.length);
    content.set(prefix);
    content.set(signed.envelope, prefix.length);
    // The id is of the genesis hash and the envelope (protocol.md §5), which the content ends with.
    const messageId = toHex(backend().blake2b256(content.subarray(2)));
    return { messageId, bytes, content, signed, header: envelope.header };
  };
}

/** The same message as bytes. Throws field-mismatch and what the codec throws. */
export function ingestJson(json: SignedEnvelopeJson): Uint8Array {
  return encodeSignedEnvelope(signedEnvelopeFromJson(json));
}
