import { concatBytes, toBytes, Writer, type BytesLike } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { KeyRange } from './transactional-store.ts';

const greatestKeyLength = 512;

/** A part of a key: text and bytes as they are, bigint as 8 bytes big-endian so that keys sort by number. */
export type KeyPart = string | Uint8Array | bigint;

/** Joins parts. Only the last may vary in length, or keys become ambiguous. */
export function storeKey(...parts: readonly KeyPart[]): Uint8Array {
  return concatBytes(...parts.map(partBytes));
}

/** As `storeKey(prefix, number)`, for keys that are made by the thousand. */
export function numberedKey(prefix: Uint8Array, number: bigint): Uint8Array {
  const key = new Uint8Array(prefix.length + 8);
  key.set(prefix);
  new DataView(key.buffer).setBigUint64(prefix.length, number);
  return key;
}

/** All keys that begin with the parts. */
export function rangeOf(...parts: readonly KeyPart[]): Pick<KeyRange, 'from' | 'to'> {
  const from = storeKey(...parts);
  return { from, to: successor(from) };
}

/** Reads the bigint that ends a key. */
export function lastNumber(key: Uint8Array): bigint {
  return new DataView(key.buffer, key.byteOffset + key.length - 8, 8).getBigUint64(0);
}

function partBytes(part: KeyPart): Uint8Array {
  if (typeof part === 'string') return new TextEncoder().encode(part);
  if (typeof part === 'bigint') return new Writer().u64(part).finish().reverse();
  return part;
}

function successor(prefix: Uint8Array): Uint8Array {
  const next = new Uint8Array(prefix);
  for (let i = next.length - 1; i >= 0; i--) {
    const byte = next[i] ?? 0;
    if (byte === 0xff) continue;
    next[i] = byte + 1;
    return next.slice(0, i + 1);
  }
  return new Uint8Array(greatestKeyLength + 1).fill(0xff); // longer than any key
}

/** Bytes of an id in a key. */
export function idPart(id: BytesLike): Uint8Array {
  return toBytes(id, 'id', 32);
}

/** Whether a store takes it as a key: 1 to 512 bytes. */
export function isKey(key: Uint8Array): boolean {
  return key.length > 0 && key.length <= greatestKeyLength;
}

/** Throws bad-value for what no store takes as a key. */
export function checkKeys(entries: readonly { readonly key: Uint8Array }[]): void {
  for (const { key } of entries)
    if (!isKey(key))
      throw new RelayError('bad-value', {
        details: { what: 'A key of the store', reason: `it has ${key.length} bytes, not 1 to ${greatestKeyLength}` },
      });
}

/** A bound of a range, cut where no key is longer: LMDB takes none of more than 1978 bytes. */
export function cutBound(bound: Uint8Array): Uint8Array {
  return bound.subarray(0, greatestKeyLength + 1);
}
