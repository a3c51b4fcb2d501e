import {
  decodeEncryptedData,
  encodeEncryptedData,
  toBytes,
  type BytesLike,
  type EncryptedData,
} from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';
import type { CipherKey } from './cipher.ts';

const noAad = new Uint8Array();
const tagLength = 16;

export interface PhalaSealInput {
  /** Result of the agreement, 32 bytes: used as the key as it is. */
  readonly z: Uint8Array;
  /** 12 bytes, never used twice with one `z`. */
  readonly iv: BytesLike;
  /** Sender's EcdhKey public key, 32 bytes. */
  readonly pubkey: BytesLike;
  /** Plaintext. */
  readonly data: BytesLike;
}

/** SCALE of EncryptedData as pRuntime and @phala/sdk read it; authenticates no sender (protocol.md §6). */
export function sealPhala({ z, iv, pubkey, data }: PhalaSealInput): Uint8Array {
  const ivBytes = toBytes(iv, 'iv', 12);
  const sealed = backend().sealAes256Gcm(toBytes(z, 'z', 32), ivBytes, noAad, toBytes(data, 'data'));
  return encodeEncryptedData({ iv: ivBytes, pubkey, data: sealed });
}

/** As {@link sealPhala}, with a key that may be out of reach. */
export async function sealPhalaWith(
  key: CipherKey,
  { iv, pubkey, data }: Omit<PhalaSealInput, 'z'>,
): Promise<Uint8Array> {
  const ivBytes = toBytes(iv, 'iv', 12);
  return encodeEncryptedData({ iv: ivBytes, pubkey, data: await key.seal(ivBytes, noAad, toBytes(data, 'data')) });
}

/** The plaintext. Throws what decodeEncryptedData throws, and open-failed. */
export function openPhala({
  z,
  encryptedData,
}: {
  readonly z: Uint8Array;
  readonly encryptedData: Uint8Array;
}): Uint8Array {
  const { iv, data } = read(encryptedData);
  return opened(backend().openAes256Gcm(toBytes(z, 'z', 32), iv, noAad, data));
}

/** As {@link openPhala}, with a key that may be out of reach. */
export async function openPhalaWith(key: CipherKey, encryptedData: Uint8Array): Promise<Uint8Array> {
  const { iv, data } = read(encryptedData);
  return opened(await key.open(iv, noAad, data));
}

function read(encryptedData: Uint8Array): EncryptedData {
  const decoded = decodeEncryptedData(encryptedData);
  if (decoded.data.length < tagLength) throw new RelayError('open-failed');
  return decoded;
}

function opened(plaintext: Uint8Array | undefined): Uint8Array {
  if (plaintext === undefined) throw new RelayError('open-failed');
  return plaintext;
}
