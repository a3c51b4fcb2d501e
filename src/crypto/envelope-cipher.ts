import {
  concatBytes,
  decodeBody,
  decodeEnvelope,
  encodeBody,
  encodeEnvelope,
  encodeHeader,
  toBytes,
  type Body,
  type BodyInput,
  type BytesLike,
  type EnvelopeV1,
  type Header,
  type HeaderInput,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';

const version = Uint8Array.of(1);
const tagLength = 16;

export interface SealInput {
  /** 32 bytes, see {@link deriveCommKey}. */
  readonly commKey: Uint8Array;
  readonly genesisHash: BytesLike;
  readonly header: HeaderInput;
  /** 12 bytes, never used twice with one commKey. */
  readonly iv: Uint8Array;
  readonly body: BodyInput;
}

/** SCALE of a V1 envelope (protocol.md §5). The caller chooses key and iv: the vault does, and tests. */
export function sealEnvelope({ commKey, genesisHash, header, iv, body }: SealInput): Uint8Array {
  const aad = additionalData(genesisHash, header);
  const ciphertext = backend().sealAes256Gcm(
    toBytes(commKey, 'commKey', 32),
    toBytes(iv, 'iv', 12),
    aad,
    encodeBody(body),
  );
  return encodeEnvelope({ suite: 'v1', header, iv, ciphertext });
}

export interface OpenInput {
  readonly commKey: Uint8Array;
  readonly genesisHash: BytesLike;
  /** SCALE of a V1 envelope, or the same decoded. */
  readonly envelope: Uint8Array | EnvelopeV1;
}

/** Throws what decodeEnvelope and decodeBody throw, and open-failed. */
export function openEnvelope({ commKey, genesisHash, envelope }: OpenInput): { header: Header; body: Body } {
  const decoded = envelope instanceof Uint8Array ? decodeV1(envelope) : envelope;
  if (decoded.ciphertext.length < tagLength) throw new RelayError('open-failed');
  const aad = additionalData(genesisHash, decoded.header);
  const key = toBytes(commKey, 'commKey', 32);
  const plaintext = backend().openAes256Gcm(key, decoded.iv, aad, decoded.ciphertext);
  if (plaintext === undefined) throw new RelayError('open-failed');
  return { header: decoded.header, body: decodeBody(plaintext) };
}

/** Throws suite-unsupported for another suite than v1, and what decodeEnvelope throws. */
export function decodeV1(bytes: Uint8Array): EnvelopeV1 {
  const envelope = decodeEnvelope(bytes);
  if (envelope.suite !== 'v1') throw new RelayError('suite-unsupported', { details: { suite: envelope.suite } });
  return envelope;
}

function additionalData(genesisHash: BytesLike, header: HeaderInput): Uint8Array {
  return concatBytes(version, toBytes(genesisHash, 'genesisHash', 32), encodeHeader(header));
}
