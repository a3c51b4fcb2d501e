import { openPart, type CryptoBackend } from './backend.ts';
import { loadPortableModule, type PortableModule } from './portable-module.ts';
import { selfTest } from './self-test.ts';

let loaded: PortableModule | undefined;

/** Loaded with the first use, and tested. Throws wasm-refused, self-test-failed. */
function wasm(): PortableModule {
  if (loaded !== undefined) return loaded;
  const module = loadPortableModule();
  selfTest(backendOf(() => module));
  return (loaded = module);
}

/** One WASM module (sr25519/README.md): everywhere, browsers included. */
export const portableBackend: CryptoBackend = backendOf(wasm);

function backendOf(module: () => PortableModule): CryptoBackend {
  return {
    name: 'portable (schnorrkel and RustCrypto in WASM)',
    isPoint: (bytes) => module().isPoint(bytes),
    multiply: (scalar, point) => module().multiply(scalar, point),
    publicKey: (secretKey) => module().publicKey(secretKey),
    sign: (secretKey, publicKey, message) => module().sign(secretKey, publicKey, message),
    verify: (publicKey, message, signature) => module().verify(publicKey, message, signature),
    verifyBatch: (items) =>
      items.map(({ publicKey, message, signature }) => module().verify(publicKey, message, signature)),
    blake2b256: (data) => module().blake2b256(data),
    sha512: (data) => module().sha512(data),
    hmacSha512: (key, data) => module().hmacSha512(key, data),
    sealAes256Gcm: (key, iv, aad, plaintext) => module().sealAes256Gcm(key, iv, aad, plaintext),
    openAes256Gcm: (key, iv, aad, sealed) => module().openAes256Gcm(key, iv, aad, sealed),
    openAllAes256Gcm: (key, prefix, parts) =>
      parts.map((part) => openPart((...of) => module().openAes256Gcm(...of), key, prefix, part)),
  };
}
