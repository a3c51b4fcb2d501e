import { RelayError } from '../errors/index.ts';
import type { SignedMessage } from './backend.ts';
import { WasmModule, type WasmExports } from './wasm-module.ts';

export interface Sr25519Exports extends WasmExports {
  public_key(): number;
  sign(): number;
  verify(): number;
}

interface BatchExports extends Sr25519Exports {
  verify_batch(count: number): number;
}

const seedLength = 32;
const itemLength = 4 + 32 + 64;

/** sr25519 signatures with the signing context `substrate`. Secret keys in canonical layout. */
export class Sr25519<Exports extends Sr25519Exports = Sr25519Exports> extends WasmModule<Exports> {
  publicKey(secretKey: Uint8Array): Uint8Array {
    return this.answer((exports) => exports.public_key(), 32, secretKey) ?? refused('a secret key');
  }

  sign(secretKey: Uint8Array, publicKey: Uint8Array, message: Uint8Array): Uint8Array {
    return this.answer((exports) => exports.sign(), 64, secretKey, publicKey, seed(), message) ?? refused('a key pair');
  }

  /** False for anything but a valid signature. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    return this.answer((exports) => exports.verify(), 0, publicKey, signature, message) !== undefined;
  }
}

/** As {@link Sr25519}, of the module that verifies batches. */
export class BatchSr25519 extends Sr25519<BatchExports> {
  /** As `verify`, of several packed by {@link packSigned}: less than half the work for each of 64. 1 for a valid one. */
  verifyPacked(packed: Uint8Array, count: number): Uint8Array {
    return this.answer((exports) => exports.verify_batch(count), count, seed(), packed) ?? new Uint8Array(count);
  }
}

/** For {@link BatchSr25519.verifyPacked}; keys and signatures must have their lengths. */
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

function seed(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(seedLength));
}

function refused(what: string): never {
  throw new RelayError('bad-secret-key', { details: { reason: `schnorrkel does not take it as ${what}` } });
}
