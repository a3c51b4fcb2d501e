import { createBLAKE2b, createKeccak, createXXHash64, type IHasher } from 'hash-wasm';

type Hash = (bytes: Uint8Array) => Uint8Array;

/** The hashes that a host computes for its runtime. */
export interface RuntimeHashes {
  readonly blake2b128: Hash;
  readonly blake2b256: Hash;
  readonly twox64: Hash;
  readonly twox128: Hash;
  readonly keccak256: Hash;
}

export async function loadRuntimeHashes(): Promise<RuntimeHashes> {
  const [blake2b128, blake2b256, twox0, twox1, keccak256] = await Promise.all([
    createBLAKE2b(128),
    createBLAKE2b(256),
    createXXHash64(0, 0),
    createXXHash64(1, 0),
    createKeccak(256),
  ]);
  const hashBy =
    (hasher: IHasher): Hash =>
    (bytes) =>
      hasher.init().update(bytes).digest('binary');
  // Substrate has it little-endian.
  const twox =
    (hasher: IHasher): Hash =>
    (bytes) =>
      hashBy(hasher)(bytes).reverse();
  return {
    blake2b128: hashBy(blake2b128),
    blake2b256: hashBy(blake2b256),
    twox64: twox(twox0),
    twox128: (bytes) => Buffer.concat([twox(twox0)(bytes), twox(twox1)(bytes)]),
    keccak256: hashBy(keccak256),
  };
}
