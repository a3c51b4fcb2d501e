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
  type HeaderStarts,
  type Hex,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';
import type { CipherKey } from './cipher.ts';

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
export function sealEnvelope({ commKey, ...sealing }: SealInput): Uint8Array {
  const { header, iv, aad, plaintext } = parts(sealing);
  const ciphertext = backend().sealAes256Gcm(toBytes(commKey, 'commKey', 32), iv, aad, plaintext);
  return encodeEnvelopeV1(header, iv, ciphertext);
}

/** As {@link sealEnvelope}, with a key that may be out of reach. */
export async function sealEnvelopeWith(key: CipherKey, sealing: Omit<SealInput, 'commKey'>): Promise<Uint8Array> {
  const { header, iv, aad, plaintext } = parts(sealing);
  return encodeEnvelopeV1(header, iv, await key.seal(iv, aad, plaintext));
}

function parts({ genesisHash, header, iv, body }: Omit<SealInput, 'commKey'>) {
  const encoded = encodeHeader(header);
  return {
    header: encoded,
    iv: toBytes(iv, 'iv', 12),
    aad: additionalData(genesisHash, encoded),
    plaintext: encodeBody(body),
  };
}

export interface OpenInput {
  /** 32 bytes; or what gives them for the header that was read, and may refuse it. */
  readonly commKey: Uint8Array | ((header: Header) => Uint8Array);
  readonly genesisHash: BytesLike;
  /** SCALE of a V1 envelope. */
  readonly envelope: Uint8Array;
  /** Gives what headers begin with; the keys of the header are shared with others then. Default: it is decoded. */
  readonly starts?: HeaderStarts;
}

/** Throws what decodeEnvelope and decodeBody throw, and open-failed. */
export function openEnvelope(input: OpenInput): Opened {
  const { commKey } = input;
  const { header, iv, ciphertext } = read(input);
  const key = toBytes(commKey instanceof Uint8Array ? commKey : commKey(header), 'commKey', 32);
  return { header, body: opened(backend().openAes256Gcm(key, iv, additionalDataOf(input), checked(ciphertext))) };
}

/** As {@link openEnvelope}, with a key that may be out of reach: at once where the key answers at once. */
export function openEnvelopeWith(
  keyFor: (header: Header) => CipherKey,
  sealed: Omit<OpenInput, 'commKey'>,
): Opened | Promise<Opened> {
  const { header, iv, ciphertext } = read(sealed);
  const plaintext = keyFor(header).open(iv, additionalDataOf(sealed), checked(ciphertext));
  if (plaintext instanceof Promise) return plaintext.then((bytes) => ({ header, body: opened(bytes) }));
  return { header, body: opened(plaintext) };
}

interface Opened {
  readonly header: Header;
  readonly body: Body;
}

function read({ envelope, starts }: Omit<OpenInput, 'commKey'>): EnvelopeV1 {
  const decoded = v1Of(decodeEnvelope(envelope, true, starts));
  if (starts !== undefined) return decoded;
  // What goes out must not change with the caller's bytes.
  const { header, ...rest } = decoded;
  const kept = { senderKey: new Uint8Array(header.senderKey), recipientKey: new Uint8Array(header.recipientKey) };
  return { ...rest, header: { ...header, ...kept } };
}

function checked(ciphertext: Uint8Array): Uint8Array {
  if (ciphertext.length < tagLength) throw new RelayError('open-failed');
  return ciphertext;
}

function opened(plaintext: Uint8Array | undefined): Body {
  if (plaintext === undefined) throw new RelayError('open-failed');
  return decodeBody(plaintext, true);
}

/** Throws suite-unsupported for another suite than v1, and what decodeEnvelope throws. */
export function decodeV1(bytes: Uint8Array): EnvelopeV1 {
  return v1Of(decodeEnvelope(bytes));
}

function v1Of(envelope: Envelope): EnvelopeV1 {
  if (envelope.suite !== 'v1') throw new RelayError('suite-unsupported', { details: { suite: envelope.suite } });
  return envelope;
}

// One for all: ciphers read it before they return. The bytes of a message are copied one by one: a view of them takes longer.
const aad = new Uint8Array(1 + 32 + headerLength);
aad[0] = version;
// Messages of one chain follow one another.
let genesisInAad: Hex | undefined;

/** Of an envelope that was decoded. The result is valid until the next call. */
function additionalDataOf({ genesisHash, envelope }: Omit<OpenInput, 'commKey'>): Uint8Array {
  putGenesis(genesisHash);
  for (let i = 0; i < headerLength; i++) aad[33 + i] = envelope[1 + i] ?? 0;
  return aad;
}

/** `header` encoded. The result is valid until the next call. */
function additionalData(genesisHash: BytesLike, header: Uint8Array): Uint8Array {
  putGenesis(genesisHash);
  aad.set(header, 33);
  return aad;
}

/** What is authenticated before the header. */
export function prefixOf(genesisHash: BytesLike): Uint8Array {
  putGenesis(genesisHash);
  return aad.slice(0, 33);
}

function putGenesis(genesisHash: BytesLike): void {
  if (genesisHash === genesisInAad) return;
  aad.set(toBytes(genesisHash, 'genesisHash', 32), 1);
  genesisInAad = typeof genesisHash === 'string' ? genesisHash : undefined;
}
