import { blake2b } from '@noble/hashes/blake2.js';
import { xxhashAsU8a } from '@polkadot/util-crypto';
import { concatBytes, toHex, type Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { StorageEntry } from '../runtime/runtime.ts';

const hashers: Readonly<Record<string, (key: Uint8Array) => Uint8Array>> = {
  Twox64Concat: (key) => concatBytes(xxhashAsU8a(key, 64), key),
  Blake2_128Concat: (key) => concatBytes(blake2b(key, { dkLen: 16 }), key),
  Identity: (key) => key,
};

/** `twox128(pallet) ‖ twox128(name)`: where a storage value is, or what all keys of a map begin with. */
export function storagePrefix(pallet: string, name: string): Hex {
  const encoder = new TextEncoder();
  return toHex(concatBytes(xxhashAsU8a(encoder.encode(pallet), 128), xxhashAsU8a(encoder.encode(name), 128)));
}

/** Throws unsupported-runtime for a hasher from which keys can't be read back. */
export function mapKeys({ pallet, name, hashers: names }: StorageEntry): (key: Uint8Array) => Hex {
  const hasher = hashers[names[0] ?? ''];
  if (hasher === undefined || names.length !== 1)
    throw new RelayError('unsupported-runtime', {
      details: { reason: `${pallet}.${name} is hashed with ${names.join(', ') || 'nothing'}` },
    });
  const prefix = storagePrefix(pallet, name);
  return (key) => `${prefix}${toHex(hasher(key)).slice(2)}`;
}
