import {
  decodeBody,
  decodeEnvelope,
  encodeBody,
  encodeEnvelopeV1,
  encodeHeader,
  headerLength,
  toBytes,
  type Body,
  type BodyInput,
  type BytesLike,
  type Envelope,
  type EnvelopeV1,
  type Header,
  type HeaderInput,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';

const version = 1;
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
  const encoded = encodeHeader(header);
  const ivBytes = toBytes(iv, 'iv', 12);
  const aad = additionalData(genesisHash, encoded);
  const ciphertext = backend().sealAes256Gcm(toBytes(commKey, 'commKey', 32), ivBytes, aad, encodeBody(body));
  return encodeEnvelopeV1(encoded, ivBytes, ciphertext);
}

export interface OpenInput {
  /** 32 bytes; or what gives them for the header that was read, and may refuse it. */
  readonly commKey: Uint8Array | ((header: Header) => Uint8Array);
  readonly genesisHash: BytesLike;
  /** SCALE of a V1 envelope. */
  readonly envelope: Uint8Array;
}

/** Throws what decodeEnvelope and decodeBody throw, and open-failed. */
export function openEnvelope({ commKey, genesisHash, envelope }: OpenInput): { header: Header; body: Body } {
  const { header: read, iv, ciphertext } = v1Of(decodeEnvelope(envelope, true));
  // What goes out must not change with the caller's bytes.
  const header = { ...read, senderKey: read.senderKey.slice(), recipientKey: read.recipientKey.slice() };
  const key = toBytes(commKey instanceof Uint8Array ? commKey : commKey(header), 'commKey', 32);
  if (ciphertext.length < tagLength) throw new RelayError('open-failed');
  const aad = additionalData(genesisHash, envelope.subarray(1, 1 + headerLength));
  const plaintext = backend().openAes256Gcm(key, iv, aad, ciphertext);
  if (plaintext === undefined) throw new RelayError('open-failed');
  return { header, body: decodeBody(plaintext, true) };
}

/** Throws suite-unsupported for another suite than v1, and what decodeEnvelope throws. */
export function decodeV1(bytes: Uint8Array): EnvelopeV1 {
  return v1Of(decodeEnvelope(bytes));
}

function v1Of(envelope: Envelope): EnvelopeV1 {
  if (envelope.suite !== 'v1') throw new RelayError('suite-unsupported', { details: { suite: envelope.suite } });
  return envelope;
}

// One for all: ciphers read it before they return.
const aad = new Uint8Array(1 + 32 + headerLength);

/** `header` encoded. The result is valid until the next call. */
function additionalData(genesisHash: BytesLike, header: Uint8Array): Uint8Array {
  aad[0] = version;
  aad.set(toBytes(genesisHash, 'genesisHash', 32), 1);
  aad.set(header, 33);
  return aad;
}
