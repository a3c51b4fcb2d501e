import { RelayError } from '../errors/index.ts';
import type { Cipher, CipherKey } from './cipher.ts';

const algorithm = 'AES-GCM';
const tagLength = 128;

/**
 * By WebCrypto, outside of the page's own thread: its keys can be used and never read back. Throws webcrypto-missing, as on a
 * page that did not come over https.
 */
export function loadWebCipher(): Cipher {
  // Not there in an insecure context, whatever its type says.
  const subtle = crypto.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) throw new RelayError('webcrypto-missing');
  return (key) => {
    const web = new WebKey(subtle, Uint8Array.from(key));
    key.fill(0);
    return web;
  };
}

class WebKey implements CipherKey {
  readonly #subtle: SubtleCrypto;
  #key: Promise<CryptoKey>;

  constructor(subtle: SubtleCrypto, bytes: Uint8Array<ArrayBuffer>) {
    this.#subtle = subtle;
    this.#key = subtle.importKey('raw', bytes, algorithm, false, ['encrypt', 'decrypt']);
    // Its copy is made before the promise is.
    bytes.fill(0);
  }

  async seal(iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Promise<Uint8Array> {
    const [parameters, content] = [parametersOf(iv, aad), Uint8Array.from(plaintext)];
    return new Uint8Array(await this.#subtle.encrypt(parameters, await this.#key, content));
  }

  async open(iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Promise<Uint8Array | undefined> {
    const [parameters, content] = [parametersOf(iv, aad), Uint8Array.from(sealed)];
    const key = await this.#key;
    try {
      return new Uint8Array(await this.#subtle.decrypt(parameters, key, content));
    } catch (error) {
      // W3C Web Cryptography API, §27.4.2: a tag that does not fit.
      if (error instanceof DOMException && error.name === 'OperationError') return undefined;
      throw error;
    }
  }

  clear(): void {
    this.#key = Promise.reject(new RelayError('vault-closed'));
    this.#key.catch(() => undefined);
  }
}

function parametersOf(iv: Uint8Array, aad: Uint8Array): AesGcmParams {
  return { name: algorithm, iv: Uint8Array.from(iv), additionalData: Uint8Array.from(aad), tagLength };
}
