import type { Hex } from '../../codec/hex.ts';
import type { StorageDiff } from '../executor/protocol.ts';
import type { Runtime } from '../executor/runtime.ts';
import { bytesToHex, isHex } from '../hex.ts';
import { rpcErrors } from './rpc-error.ts';

/** Encodes `{ Pallet: { Item: value } }` and, for maps, `{ Pallet: { Item: [[keys, value], …] } }` by the metadata. */
export function storageEntries(storage: Readonly<Record<string, unknown>>, runtime: Runtime): StorageDiff {
  return Object.entries(storage).flatMap(([pallet, items]) => {
    if (typeof items !== 'object' || items === null) throw rpcErrors.invalidParams(`${pallet} must be an object`);
    return Object.entries(items).flatMap(([item, given]: [string, unknown]) => entries(pallet, item, given, runtime));
  });
}

function entries(pallet: string, item: string, given: unknown, runtime: Runtime): StorageDiff {
  const entry = runtime.layout.query[camelCase(pallet)]?.[camelCase(item)];
  if (entry === undefined) throw rpcErrors.invalidParams(`the runtime has no storage ${pallet}.${item}`);
  const { type } = entry.meta;
  const valueType = runtime.registry.createLookupType(type.isPlain ? type.asPlain : type.asMap.value);
  const encode = (value: unknown): Hex | null => {
    if (value === null || value === undefined) return null;
    if (isHex(value)) return value;
    return bytesToHex(runtime.registry.createType(valueType, value).toU8a());
  };
  const key = (keys: readonly unknown[]): Hex => storageKey(entry, keys);
  if (type.isPlain) return [[key([]), encode(given)]];
  if (!Array.isArray(given)) throw rpcErrors.invalidParams(`${pallet}.${item} is a map and needs [[keys, value], …]`);
  return given.map((pair: unknown) => {
    const [keys, value] = Array.isArray(pair) ? (pair as readonly unknown[]) : [];
    if (!Array.isArray(keys)) throw rpcErrors.invalidParams(`${pallet}.${item} needs [[keys, value], …]`);
    return [key(keys), encode(value)] as const;
  });
}

function camelCase(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}

/** The key of an entry; polkadot.js puts a compact length before it. */
export function storageKey(entry: (...keys: unknown[]) => Uint8Array, keys: readonly unknown[]): Hex {
  const encoded = entry(...keys);
  return bytesToHex(encoded.subarray([1, 2, 4, 4][(encoded[0] ?? 0) & 3] ?? 0));
}
