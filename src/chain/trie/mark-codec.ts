import { fromHex, Reader, toHex, Writer, type Hex } from '../../codec/index.ts';
import type { WorkersMark } from '../chain.ts';
import { bitCount, type KnownBranch, type KnownMap } from './known-map.ts';

const hashLength = 32;
const idLength = 32;
const children = 16;

/** For a store: what {@link decodeMark} reads. */
export function encodeMark({ workers, endpoints, orphans }: WorkersMark): Uint8Array {
  const writer = new Writer();
  encodeMap(writer, workers);
  encodeMap(writer, endpoints);
  writer.u32(orphans.size);
  for (const id of orphans) writer.raw(fromHex(id));
  return writer.finish();
}

/** Throws truncated, trailing-bytes. What it gives are views of the bytes. */
export function decodeMark(bytes: Uint8Array): WorkersMark {
  const reader = new Reader(bytes, 'The mark', true);
  const [workers, endpoints] = [decodeMap(reader), decodeMap(reader)];
  const orphans = new Set<Hex>();
  for (let left = reader.u32(); left > 0; left--) orphans.add(toHex(reader.fixed(idLength)));
  reader.end();
  return { workers, endpoints, orphans };
}

function encodeMap(writer: Writer, { rootHash, count, branches }: KnownMap): void {
  writer.u8(rootHash === undefined ? 0 : 1);
  if (rootHash !== undefined) writer.raw(rootHash);
  writer.u32(count).u32(branches.size);
  for (const [slot, { end, bitmap, hashes, counts }] of branches) {
    writer.bytes(ascii(slot)).bytes(ascii(end)).u32(bitmap).raw(hashes);
    for (const each of counts) writer.u32(each);
  }
}

function decodeMap(reader: Reader): KnownMap {
  const rootHash = reader.u8() === 0 ? undefined : reader.fixed(hashLength);
  const count = reader.u32();
  const branches = new Map<string, KnownBranch>();
  for (let left = reader.u32(); left > 0; left--) {
    const slot = text(reader.bytes());
    const end = text(reader.bytes());
    const bitmap = reader.u32();
    const hashes = reader.fixed(hashLength * bitCount(bitmap));
    const counts = Uint32Array.from({ length: children }, () => reader.u32());
    branches.set(slot, { end, bitmap, hashes, counts });
  }
  return { rootHash, count, branches };
}

function ascii(digits: string): Uint8Array {
  return Uint8Array.from(digits, (digit) => digit.charCodeAt(0));
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
