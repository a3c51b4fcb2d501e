import { toBytes, type BytesLike } from './hex.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** What pRuntime and @phala/sdk exchange (protocol.md §6). */
export interface EncryptedData {
  /** 12 bytes. */
  readonly iv: Uint8Array;
  /** Sender's EcdhKey public key, 32 bytes. */
  readonly pubkey: Uint8Array;
  /** Ciphertext and the 16-byte tag. */
  readonly data: Uint8Array;
}

export type EncryptedDataInput = { readonly [K in keyof EncryptedData]: BytesLike };

export function encodeEncryptedData({ iv, pubkey, data }: EncryptedDataInput): Uint8Array {
  return new Writer()
    .raw(toBytes(iv, 'iv', 12))
    .raw(toBytes(pubkey, 'pubkey', 32))
    .bytes(toBytes(data, 'data'))
    .finish();
}

/** Throws truncated, trailing-bytes or non-canonical. */
export function decodeEncryptedData(bytes: Uint8Array): EncryptedData {
  const reader = new Reader(bytes, 'EncryptedData');
  const decoded = readEncryptedData(reader);
  reader.end();
  return decoded;
}

export function readEncryptedData(reader: Reader): EncryptedData {
  return { iv: reader.fixed(12), pubkey: reader.fixed(32), data: reader.bytes() };
}
