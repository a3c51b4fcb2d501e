import { gcm } from '@noble/ciphers/aes.js';
import { ristretto255 } from '@noble/curves/ed25519.js';
import { blake2b } from '@noble/hashes/blake2.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha512 } from '@noble/hashes/sha2.js';
import { sr25519Sign, sr25519Verify } from '@polkadot/util-crypto';
import type { CryptoBackend } from './backend.ts';
import { ed25519SecretKey } from './secret-key.ts';

const { Point } = ristretto255;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Pure JavaScript: everywhere, browsers included. */
export const portableBackend: CryptoBackend = {
  name: 'portable (@noble, @polkadot/util-crypto)',
  isPoint(bytes) {
    try {
      return !Point.fromBytes(bytes).is0();
    } catch {
      return false;
    }
  },
  multiply: (scalar, point) => Point.fromBytes(point).multiply(littleEndian(scalar)).toBytes(),
  publicKey: (secretKey) => Point.BASE.multiply(littleEndian(secretKey.subarray(0, 32))).toBytes(),
  sign: (secretKey, publicKey, message) => sr25519Sign(message, { publicKey, secretKey: ed25519SecretKey(secretKey) }),
  verify(publicKey, message, signature) {
    try {
      return sr25519Verify(message, signature, publicKey);
    } catch {
      return false;
    }
  },
  verifyBatch(items) {
    return items.map(({ publicKey, message, signature }) => this.verify(publicKey, message, signature));
  },
  blake2b256: (data) => blake2b(data, { dkLen: 32 }),
  sha512: (data) => sha512(data),
  hmacSha512: (key, data) => hmac(sha512, key, data),
  sealAes256Gcm: (key, iv, aad, plaintext) => gcm(key, iv, aad).encrypt(plaintext),
  openAes256Gcm(key, iv, aad, sealed) {
    try {
      return gcm(key, iv, aad).decrypt(sealed);
    } catch {
      return undefined;
    }
  },
};
