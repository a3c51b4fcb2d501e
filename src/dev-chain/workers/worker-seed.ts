import { blake2b } from '@noble/hashes/blake2.js';

/** blake2_256("khala-relay dev worker identity" or "… ecdh" ‖ u32le index): known to all, of use on dev chains only. */
export function workerSeed(purpose: 'identity' | 'ecdh', index: number): Uint8Array {
  const suffix = Buffer.alloc(4);
  suffix.writeUInt32LE(index);
  return blake2b(Buffer.concat([Buffer.from(`khala-relay dev worker ${purpose}`), suffix]), { dkLen: 32 });
}
