import { backend } from './active-backend.ts';
import type { SealedPart } from './backend.ts';

/** A key of AES-256-GCM, ready for use. Arguments are read before a call returns, whenever its answer comes. */
export interface CipherKey {
  /** Ciphertext and the 16-byte tag. */
  seal(iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array | Promise<Uint8Array>;
  /** undefined where the tag does not fit; `sealed` is 16 bytes or more. */
  open(iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /** As {@link CryptoBackend.openAllAes256Gcm}; absent where that is no less work. */
  openAll?(prefix: Uint8Array, parts: readonly SealedPart[]): (Uint8Array | undefined)[];
  /** Overwrites the key, or lets go of it where it can't be reached; it is not used again. */
  clear(): void;
}

/** Makes a key of 32 bytes, which it takes over. */
export type Cipher = (key: Uint8Array) => CipherKey;

/** By the backend in use, at once; the bytes are the key. */
export const backendCipher: Cipher = (key) => ({
  seal: (iv, aad, plaintext) => backend().sealAes256Gcm(key, iv, aad, plaintext),
  open: (iv, aad, sealed) => backend().openAes256Gcm(key, iv, aad, sealed),
  openAll: (prefix, parts) => backend().openAllAes256Gcm(key, prefix, parts),
  clear: () => {
    key.fill(0);
  },
});
