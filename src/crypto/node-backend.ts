import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { sr25519_pubkey, sr25519_sign, sr25519_verify } from '@polkadot-labs/schnorrkel-wasm';
import sodium from 'libsodium-wrappers-sumo';
import type { CryptoBackend } from './backend.ts';
import { ed25519SecretKey, isCanonicalScalar } from './secret-key.ts';

const algorithm = 'aes-256-gcm';
const tagLength = 16;

/** libsodium, schnorrkel and OpenSSL: for Node. */
export async function loadNodeBackend(): Promise<CryptoBackend> {
  await sodium.ready;
  return {
    name: 'node (libsodium, schnorrkel-wasm, node:crypto)',
    isPoint,
    multiply: (scalar, point) => sodium.crypto_scalarmult_ristretto255(scalar, point),
    publicKey: (secretKey) => sr25519_pubkey(ed25519SecretKey(secretKey)),
    sign: (secretKey, publicKey, message) => sr25519_sign(publicKey, ed25519SecretKey(secretKey), message),
    verify: (publicKey, message, signature) =>
      isPoint(publicKey) && isSignature(signature) && sr25519_verify(publicKey, message, signature),
    sha512: (data) => createHash('sha512').update(data).digest(),
    hmacSha512: (key, data) => createHmac('sha512', key).update(data).digest(),
    sealAes256Gcm,
    openAes256Gcm,
  };
}

function isPoint(bytes: Uint8Array): boolean {
  return (
    bytes.length === 32 && bytes.some((byte) => byte !== 0) && sodium.crypto_core_ristretto255_is_valid_point(bytes)
  );
}

// schnorrkel-wasm traps on what schnorrkel refuses to decode, and a trap loses memory of its instance: so all that it
// checks in decoding (length, the mark in the top bit, a canonical scalar) is checked before.
function isSignature(signature: Uint8Array): boolean {
  if (signature.length !== 64) return false;
  const scalar = signature.slice(32);
  const top = scalar[31] ?? 0;
  scalar[31] = top & 0x7f;
  return (top & 0x80) !== 0 && isCanonicalScalar(scalar);
}

function sealAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(algorithm, key, iv);
  cipher.setAAD(aad);
  const sealed = new Uint8Array(plaintext.length + tagLength);
  sealed.set(cipher.update(plaintext));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plaintext.length);
  return sealed;
}

function openAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - tagLength;
  const decipher = createDecipheriv(algorithm, key, iv, { authTagLength: tagLength });
  decipher.setAAD(aad);
  decipher.setAuthTag(sealed.subarray(length));
  const plaintext = new Uint8Array(decipher.update(sealed.subarray(0, length)));
  try {
    decipher.final();
  } catch {
    plaintext.fill(0);
    return undefined;
  }
  return plaintext;
}
