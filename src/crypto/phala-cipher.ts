import { decodeEncryptedData, encodeEncryptedData, toBytes, type BytesLike } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { backend } from './active-backend.ts';

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

/** The plaintext. Throws what decodeEncryptedData throws, and open-failed. */
export function openPhala({
  z,
  encryptedData,
}: {
  readonly z: Uint8Array;
  readonly encryptedData: Uint8Array;
}): Uint8Array {
  const { iv, data } = decodeEncryptedData(encryptedData);
  if (data.length < tagLength) throw new RelayError('open-failed');
  const plaintext = backend().openAes256Gcm(toBytes(z, 'z', 32), iv, noAad, data);
  if (plaintext === undefined) throw new RelayError('open-failed');
  return plaintext;
}
