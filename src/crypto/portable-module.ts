import { fromHex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { portableWasm } from './portable-wasm.ts';
import { Sr25519, type Sr25519Exports } from './sr25519.ts';

interface PortableExports extends Sr25519Exports {
  is_point(): number;
  multiply(): number;
  blake2b_256(length: number): number;
  sha512(length: number): number;
  hmac_sha512(key: number, length: number): number;
  seal_aes256_gcm(additional: number, length: number): number;
  open_aes256_gcm(additional: number, length: number): number;
}

const tagLength = 16;

/** All of sr25519/ that a host without cryptography needs. Its AES is bitsliced: its time tells nothing about the key. */
export class PortableModule extends Sr25519<PortableExports> {
  isPoint(bytes: Uint8Array): boolean {
    return bytes.length === 32 && this.answer((exports) => exports.is_point(), 0, bytes) !== undefined;
  }

  multiply(scalar: Uint8Array, point: Uint8Array): Uint8Array {
    return given(this.answer((exports) => exports.multiply(), 32, scalar, point));
  }

  blake2b256(data: Uint8Array): Uint8Array {
    return given(this.answer((exports) => exports.blake2b_256(data.length), 32, data));
  }

  sha512(data: Uint8Array): Uint8Array {
    return given(this.answer((exports) => exports.sha512(data.length), 64, data));
  }

  hmacSha512(key: Uint8Array, data: Uint8Array): Uint8Array {
    return given(this.answer((exports) => exports.hmac_sha512(key.length, data.length), 64, key, data));
  }

  sealAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, plaintext: Uint8Array): Uint8Array {
    const seal = (exports: PortableExports): number => exports.seal_aes256_gcm(aad.length, plaintext.length);
    return given(this.answer(seal, plaintext.length + tagLength, key, iv, aad, plaintext));
  }

  openAes256Gcm(key: Uint8Array, iv: Uint8Array, aad: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
    const open = (exports: PortableExports): number => exports.open_aes256_gcm(aad.length, sealed.length);
    return this.answer(open, sealed.length - tagLength, key, iv, aad, sealed);
  }
}

/** The module as it was built. */
export function portableBytes(): Uint8Array<ArrayBuffer> {
  const [code, data] = [fromHex(portableWasm.code), atob(portableWasm.data)];
  const bytes = new Uint8Array(code.length + data.length);
  bytes.set(code);
  for (let i = 0; i < data.length; i++) bytes[code.length + i] = data.charCodeAt(i);
  return bytes;
}

/**
 * Compiles and instantiates it at once: some milliseconds. Throws wasm-refused, as on a page whose Content-Security-Policy
 * does not allow it.
 */
export function loadPortableModule(): PortableModule {
  try {
    return new PortableModule(new WebAssembly.Module(portableBytes()));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RelayError('wasm-refused', { details: { reason }, cause });
  }
}

/** Of an operation that says no to what a caller should have checked only. */
function given(answer: Uint8Array | undefined): Uint8Array {
  if (answer === undefined)
    throw new RelayError('bad-value', { details: { what: 'The input', reason: 'it was not checked before' } });
  return answer;
}
