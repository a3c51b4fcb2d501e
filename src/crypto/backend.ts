import { concatBytes } from '../codec/index.ts';

const ivLength = 12;

/** What one is said to have signed. */
export interface SignedMessage {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly message: Uint8Array;
  /** 64 bytes. */
  readonly signature: Uint8Array;
}

/** A sealed message where it lies: in bytes that hold other things too. */
export interface SealedPart {
  readonly bytes: Uint8Array;
  /** Where its IV of 12 bytes is. */
  readonly ivAt: number;
  /** Where its own part of what is authenticated is. */
  readonly aadAt: number;
  readonly aadLength: number;
  /** Where its ciphertext and the 16-byte tag are. */
  readonly sealedAt: number;
  /** 16 or more. */
  readonly sealedLength: number;
}

/**
 * The primitives that a platform may do faster than portable JavaScript. Callers have checked lengths and that points
 * are canonical; a backend never sees hostile encodings except in `isPoint` and `verify`.
 *
 * Every implementation passes test/crypto/backend.compliance.ts.
 */
export interface CryptoBackend {
  readonly name: string;
  /** Whether 32 bytes are a canonical ristretto255 encoding of another point than the identity. */
  isPoint(bytes: Uint8Array): boolean;
  /** `scalar · point` for a canonical scalar; 32 bytes. */
  multiply(scalar: Uint8Array, point: Uint8Array): Uint8Array;
  /** sr25519 public key of a 64-byte secret key in canonical layout. */
  publicKey(secretKey: Uint8Array): Uint8Array;
  /** 64-byte sr25519 signature with context `substrate`; the secret key in canonical layout. */
  sign(secretKey: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for anything but a valid signature; never throws. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** What `verify` says of each, for less work where the backend can. */
  verifyBatch(items: readonly SignedMessage[]): boolean[];
  /** BLAKE2b of 32 bytes, without a key. */
  blake2b256(data: Uint8Array): Uint8Array;
  sha512(data: Uint8Array): Uint8Array;
  hmacSha512(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Ciphertext and the 16-byte tag. */
  sealAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** undefined where the tag does not fit; `sealed` is 16 bytes or more. */
  openAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  /**
   * What `openAes256Gcm` gives of each, for less work where the backend can; `prefix` is what is authenticated with each before
   * its own. What comes out may share memory.
   */
  openAllAes256Gcm(key: Uint8Array, prefix: Uint8Array, parts: readonly SealedPart[]): (Uint8Array | undefined)[];
}

/** Opens one of several by itself. */
export function openPart(
  open: CryptoBackend['openAes256Gcm'],
  key: Uint8Array,
  prefix: Uint8Array,
  { bytes, ivAt, aadAt, aadLength, sealedAt, sealedLength }: SealedPart,
): Uint8Array | undefined {
  const aad = concatBytes(prefix, bytes.subarray(aadAt, aadAt + aadLength));
  return open(key, bytes.subarray(ivAt, ivAt + ivLength), aad, bytes.subarray(sealedAt, sealedAt + sealedLength));
}
