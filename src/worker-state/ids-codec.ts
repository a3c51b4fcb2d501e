import { concatBytes, fromHex, toHex, type Hex } from '../codec/index.ts';

const idLength = 32;

export function encodeIds(ids: Iterable<Hex>): Uint8Array {
  return concatBytes(...Array.from(ids, (id) => fromHex(id)));
}

export function decodeIds(bytes: Uint8Array): ReadonlySet<Hex> {
  const ids = new Set<Hex>();
  for (let at = 0; at + idLength <= bytes.length; at += idLength) ids.add(toHex(bytes.subarray(at, at + idLength)));
  return ids;
}
