import { blake2b } from '@noble/hashes/blake2.js';

/** blake2_256 of the parts, one after another. */
type Hash256 = (...parts: readonly Uint8Array[]) => Uint8Array;

const length = 32;

/** Everywhere, slowly. */
const portableHash256: Hash256 = (...parts) => {
  const hash = blake2b.create({ dkLen: length });
  for (const part of parts) hash.update(part);
  return hash.digest();
};

let active = portableHash256;

/** By the fast one, where it was activated. */
export const hash256: Hash256 = (...parts) => active(...parts);

/** Makes another implementation the one in use; `ready()` of the crypto room does, after a test. */
export function activateHash256(implementation: Hash256): void {
  active = implementation;
}
