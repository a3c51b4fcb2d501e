import {
  encodeEncryptedData,
  readEncryptedData,
  type EncryptedData,
  type EncryptedDataInput,
} from './encrypted-data.ts';
import { encodeHeader, headerLength, headerStartLength, readHeader, type Header, type HeaderInput } from './header.ts';
import type { HeaderStarts } from './header-starts.ts';
import { toBytes, type BytesLike } from './hex.ts';
import { Reader, startOfLastBytes, u64At } from './reader.ts';
import { lengthOfBytes, Writer } from './writer.ts';

/** Of a V1 envelope: behind its variant comes the header, then iv and ciphertext. */
const nonceOffset = 1 + headerStartLength;
const ivOffset = 1 + headerLength;
const lengthOffset = ivOffset + 12;

export interface EnvelopeV1 {
  readonly suite: 'v1';
  readonly header: Header;
  /** 12 random bytes. */
  readonly iv: Uint8Array;
  /** Encrypted body and the 16-byte tag. */
  readonly ciphertext: Uint8Array;
}

/** A V1 envelope whose parts stay where they are. */
export interface LocatedV1 {
  readonly header: Header;
  readonly ivAt: number;
  readonly ciphertextAt: number;
  readonly ciphertextLength: number;
}

export interface EnvelopePhala extends EncryptedData {
  readonly suite: 'phala';
}

/** What crosses the chain and the wire (protocol.md §5). */
export type Envelope = EnvelopeV1 | EnvelopePhala;

export type EnvelopeInput =
  | { readonly suite: 'v1'; readonly header: HeaderInput; readonly iv: BytesLike; readonly ciphertext: BytesLike }
  | ({ readonly suite: 'phala' } & EncryptedDataInput);

export function encodeEnvelope(envelope: EnvelopeInput): Uint8Array {
  if (envelope.suite === 'phala') return new Writer().u8(0).raw(encodeEncryptedData(envelope)).finish();
  const { header, iv, ciphertext } = envelope;
  return encodeEnvelopeV1(encodeHeader(header), toBytes(iv, 'iv', 12), toBytes(ciphertext, 'The ciphertext'));
}

/** The same of a header that is encoded already. */
export function encodeEnvelopeV1(header: Uint8Array, iv: Uint8Array, ciphertext: Uint8Array): Uint8Array {
  const length = 1 + header.length + iv.length + lengthOfBytes(ciphertext.length);
  return new Writer(length).u8(1).raw(header).raw(iv).bytes(ciphertext).finish();
}

/**
 * Throws truncated, trailing-bytes, non-canonical or unknown-variant. `isOwn`: what comes out is used before `bytes` change, and may
 * be views of them. `starts`: gives what headers begin with.
 */
export function decodeEnvelope(bytes: Uint8Array, isOwn = false, starts?: HeaderStarts): Envelope {
  const reader = new Reader(bytes, 'The envelope', isOwn);
  const envelope = readEnvelope(reader, starts);
  reader.end();
  return envelope;
}

/** Where a V1 envelope has what; undefined for another suite. Throws as {@link decodeEnvelope}, whose `starts` these are. */
export function locateV1(bytes: Uint8Array, starts: HeaderStarts): LocatedV1 | undefined {
  const known = startOfLastBytes(bytes, lengthOffset);
  // A well-formed one, as most are: a Reader for each would cost as much as all else.
  if (known > 0 && bytes[0] === 1 && (bytes[1] ?? 2) < 2) {
    const { fromKind, from, to, senderKey, recipientKey } = starts.of(bytes, 1);
    const nonce = u64At(bytes, nonceOffset);
    const sentAt = u64At(bytes, nonceOffset + 8);
    const header = { fromKind, from, to, senderKey, recipientKey, nonce, sentAt };
    return { header, ivAt: ivOffset, ciphertextAt: known, ciphertextLength: bytes.length - known };
  }
  const reader = new Reader(bytes, 'The envelope', true);
  if (reader.u8() !== 1) return undefined;
  const header = readHeader(reader, starts);
  const ivAt = reader.skip(12);
  const ciphertextLength = reader.compactLength();
  const ciphertextAt = reader.skip(ciphertextLength);
  reader.end();
  return { header, ivAt, ciphertextAt, ciphertextLength };
}

function readEnvelope(reader: Reader, starts: HeaderStarts | undefined): Envelope {
  const variant = reader.u8();
  if (variant === 0) return { suite: 'phala', ...readEncryptedData(reader) };
  if (variant === 1)
    return { suite: 'v1', header: readHeader(reader, starts), iv: reader.fixed(12), ciphertext: reader.bytes() };
  throw reader.unknownVariant(variant);
}
