import { createBLAKE2b, createXXHash64, type IHasher } from 'hash-wasm';

/** The hashes of a Substrate state, ready to be called synchronously. */
export interface Hashing {
  readonly blake2b256: (bytes: Uint8Array) => Uint8Array;
  /** xxHash64 with seeds 0 and 1, each little-endian: the prefix of every pallet's and item's key. */
  readonly twox128: (text: string) => Uint8Array;
  /** Twox64Concat, the hasher of PhalaRegistry's maps. */
  readonly twox64Concat: (bytes: Uint8Array) => Uint8Array;
}

export async function loadHashing(): Promise<Hashing> {
  const [blake2, xx0, xx1] = await Promise.all([createBLAKE2b(256), createXXHash64(0, 0), createXXHash64(1, 0)]);
  const littleEndian = (hasher: IHasher, bytes: Uint8Array): Uint8Array =>
    hasher.init().update(bytes).digest('binary').reverse();
  return {
    blake2b256: (bytes) => blake2.init().update(bytes).digest('binary'),
    twox128: (text) => {
      const bytes = Buffer.from(text);
      return Buffer.concat([littleEndian(xx0, bytes), littleEndian(xx1, bytes)]);
    },
    twox64Concat: (bytes) => Buffer.concat([littleEndian(xx0, bytes), bytes]),
  };
}
