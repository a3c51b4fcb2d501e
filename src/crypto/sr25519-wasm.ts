import { readFile } from 'node:fs/promises';
import { RelayError } from '../errors/index.ts';
import type { SignedMessage } from './backend.ts';

/** sr25519/README.md. Each operation reads its request from memory and writes its answer over it. */
interface Exports {
  readonly memory: WebAssembly.Memory;
  reserve(length: number): number;
  public_key(): number;
  sign(): number;
  verify(): number;
  verify_batch(count: number): number;
}

const file = new URL('../../sr25519/artifacts/sr25519.wasm', import.meta.url);
const seedLength = 32;
const itemLength = 4 + 32 + 64;

/** Compiled once a process; threads instantiate it again. */
export async function compileSr25519(): Promise<WebAssembly.Module> {
  return WebAssembly.compile(await readFile(file));
}

/** sr25519 signatures with the signing context `substrate`. Secret keys in canonical layout. */
export class Sr25519 {
  readonly #exports: Exports;

  constructor(module: WebAssembly.Module) {
    this.#exports = new WebAssembly.Instance(module).exports as unknown as Exports;
  }

  publicKey(secretKey: Uint8Array): Uint8Array {
    return this.#answer((exports) => exports.public_key(), 32, secretKey) ?? refused('a secret key');
  }

  sign(secretKey: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array {
    const random = crypto.getRandomValues(new Uint8Array(seedLength));
    return (
      this.#answer((exports) => exports.sign(), 64, secretKey, publicKey, random, message) ?? refused('a key pair')
    );
  }

  /** False for anything but a valid signature. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    return this.#answer((exports) => exports.verify(), 0, publicKey, signature, message) !== undefined;
  }

  /** As {@link verify}, of several packed by {@link packSigned}: less than half the work for each of 64. 1 for a valid one. */
  verifyPacked(packed: Uint8Array, count: number): Uint8Array {
    const seed = crypto.getRandomValues(new Uint8Array(seedLength));
    return this.#answer((exports) => exports.verify_batch(count), count, seed, packed) ?? new Uint8Array(count);
  }

  #answer(
    operation: (exports: Exports) => number,
    answerLength: number,
    ...request: readonly Uint8Array[]
  ): Uint8Array | undefined {
    const length = request.reduce((sum, part) => sum + part.length, 0);
    const start = this.#exports.reserve(Math.max(length, answerLength));
    if (start === 0)
      throw new RelayError('bad-value', {
        details: { what: 'What is signed', reason: `${length} bytes are too many` },
      });
    const room = new Uint8Array(this.#exports.memory.buffer, start, length);
    let at = 0;
    for (const part of request) {
      room.set(part, at);
      at += part.length;
    }
    if (operation(this.#exports) === 0) return undefined;
    // The memory may have grown, and so have got another buffer.
    return new Uint8Array(this.#exports.memory.buffer).slice(start, start + answerLength);
  }
}

/** For {@link Sr25519.verifyPacked}; keys and signatures must have their lengths. */
export function packSigned(items: readonly SignedMessage[]): Uint8Array<ArrayBuffer> {
  const packed = new Uint8Array(items.reduce((sum, { message }) => sum + itemLength + message.length, 0));
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const { publicKey, message, signature } of items) {
    view.setUint32(at, message.length, true);
    packed.set(publicKey, at + 4);
    packed.set(signature, at + 36);
    packed.set(message, at + itemLength);
    at += itemLength + message.length;
  }
  return packed;
}

/** Whether key and signature have their lengths: all others are not valid and are never packed. */
export function hasLengths({ publicKey, signature }: SignedMessage): boolean {
  return publicKey.length === 32 && signature.length === 64;
}

function refused(what: string): never {
  throw new RelayError('bad-secret-key', { details: { reason: `schnorrkel does not take it as ${what}` } });
}
