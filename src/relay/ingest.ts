import {
  decodeEnvelope,
  decodeSignedEnvelope,
  encodeSignedEnvelope,
  messageId,
  signedEnvelopeFromJson,
  type Header,
  type Hex,
  type SignedEnvelope,
  type SignedEnvelopeJson,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

/** An off-chain message, decoded; nothing about it is proven yet. */
export interface Ingested {
  readonly messageId: Hex;
  /** SCALE of the SignedEnvelope: what is stored and delivered. */
  readonly bytes: Uint8Array;
  readonly signed: SignedEnvelope;
  readonly header: Header;
}

export interface IngestOptions {
  readonly genesisHash: Hex;
  readonly maxMessageBytes: number;
}

/** First stage: bytes to fields. Throws envelope-too-large, off-chain-only-v1 and what the codec throws. */
export function ingest(bytes: Uint8Array, { genesisHash, maxMessageBytes }: IngestOptions): Ingested {
  if (bytes.length > maxMessageBytes)
    throw new RelayError('envelope-too-large', { details: { size: bytes.length, max: maxMessageBytes } });
  const signed = decodeSignedEnvelope(bytes);
  const envelope = decodeEnvelope(signed.envelope);
  if (envelope.suite !== 'v1')
    throw new RelayError('off-chain-only-v1', { details: { reason: 'it is of suite phala' } });
  if (envelope.header.fromKind !== 'worker')
    throw new RelayError('off-chain-only-v1', { details: { reason: 'its sender is an account' } });
  return {
    messageId: messageId({ genesisHash, envelope: signed.envelope }),
    bytes,
    signed,
    header: envelope.header,
  };
}

/** The same message as bytes. Throws field-mismatch and what the codec throws. */
export function ingestJson(json: SignedEnvelopeJson): Uint8Array {
  return encodeSignedEnvelope(signedEnvelopeFromJson(json));
}
