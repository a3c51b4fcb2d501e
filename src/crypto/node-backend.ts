import { createCipheriv, createDecipheriv, createHash, createHmac } from 'node:crypto';
import { createBLAKE2b } from 'hash-wasm';
import sodium from 'libsodium-wrappers-sumo';
import { openPart, type CryptoBackend, type SignedMessage } from './backend.ts';
import { compileBatchModule } from './batch-module.ts';
import { openGcmBatch } from './gcm-batch.ts';
import { BatchSr25519, hasLengths, packSigned } from './sr25519.ts';

const algorithm = 'aes-256-gcm';
const tagLength = 16;

/** libsodium, schnorrkel (sr25519/README.md), OpenSSL and hash-wasm: for Node. */
export async function loadNodeBackend(): Promise<CryptoBackend> {
  const [module, blake2b] = await Promise.all([compileBatchModule(), createBLAKE2b(256), sodium.ready]);
  const sr25519 = new BatchSr25519(module);
  return {
    name: 'node (libsodium, schnorrkel, node:crypto)',
    isPoint,
    multiply: (scalar, point) => sodium.crypto_scalarmult_ristretto255(scalar, point),
    publicKey: (secretKey) => sr25519.publicKey(secretKey),
    sign: (secretKey, publicKey, message) => sr25519.sign(secretKey, publicKey, message),
    verify: (publicKey, message, signature) => sr25519.verify(publicKey, message, signature),
    verifyBatch: (items) => verifyBatch(sr25519, items),
    blake2b256: (data) => blake2b.init().update(data).digest('binary'),
    sha512: (data) => createHash('sha512').update(data).digest(),
    hmacSha512: (key, data) => createHmac('sha512', key).update(data).digest(),
    sealAes256Gcm,
    openAes256Gcm,
    openAllAes256Gcm: (key, prefix, parts) =>
      openGcmBatch(key, prefix, parts, (part) => openPart(openAes256Gcm, key, prefix, part)),
  };
}

function isPoint(bytes: Uint8Array): boolean {
  return (
    bytes.length === 32 && bytes.some((byte) => byte !== 0) && sodium.crypto_core_ristretto255_is_valid_point(bytes)
  );
}

function verifyBatch(sr25519: BatchSr25519, items: readonly SignedMessage[]): boolean[] {
  const whole = items.filter(hasLengths);
  const verdicts = sr25519.verifyPacked(packSigned(whole), whole.length);
  let at = 0;
  return items.map((item) => hasLengths(item) && verdicts[at++] === 1);
}

function sealAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
  const cipher = createCipheriv(algorithm, key, iv);
  cipher.setAAD(aad);
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  const sealed = Buffer.concat([ciphertext, cipher.getAuthTag()]);
  return new Uint8Array(sealed.buffer, sealed.byteOffset, sealed.length);
}

const options = { authTagLength: tagLength } as const;
// The cipher reads it before it returns.
const tag = new Uint8Array(tagLength);

function openAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - tagLength;
  for (let i = 0; i < tagLength; i++) tag[i] = sealed[length + i] ?? 0;
  const decipher = createDecipheriv(algorithm, key, iv, options);
  decipher.setAAD(aad);
  decipher.setAuthTag(tag);
  const opened = decipher.update(new Uint8Array(sealed.buffer, sealed.byteOffset, length));
  try {
    decipher.final();
  } catch {
    opened.fill(0);
    return undefined;
  }
  return new Uint8Array(opened.buffer, opened.byteOffset, opened.length);
}
