import { fromHex, Reader, toHex, Writer, type Hex } from '../../codec/index.ts';
import type { WorkersMark } from './workers-by-proofs.ts';
import { bitCount, type KnownBranch, type KnownMap } from './known-map.ts';

const hashLength = 32;
const idLength = 32;
const children = 16;
const u32 = 4;
const ascii = new TextEncoder();

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
    writer.bytes(ascii.encode(slot)).bytes(ascii.encode(end)).u32(bitmap).raw(hashes).raw(littleEndian(counts));
  }
}

/** Whether all is sound is seen at once; the branches are made of it when something changed. */
function decodeMap(reader: Reader): KnownMap {
  const rootHash = reader.u8() === 0 ? undefined : reader.fixed(hashLength);
  const count = reader.u32();
  const start = reader.offset;
  for (let left = reader.u32(); left > 0; left--) {
    reader.skip(reader.compactLength());
    reader.skip(reader.compactLength());
    reader.skip(hashLength * bitCount(reader.u32()) + u32 * children);
  }
  const encoded = reader.whole.subarray(start, reader.offset);
  let branches: KnownMap['branches'] | undefined;
  return {
    rootHash,
    count,
    get branches() {
      return (branches ??= decodeBranches(new Reader(encoded, 'The mark', true)));
    },
  };
}

function decodeBranches(reader: Reader): KnownMap['branches'] {
  const branches = new Map<string, KnownBranch>();
  for (let left = reader.u32(); left > 0; left--) {
    const slot = text(reader.bytes());
    const end = text(reader.bytes());
    const bitmap = reader.u32();
    const hashes = reader.fixed(hashLength * bitCount(bitmap));
    const counts = Uint32Array.from({ length: children }, () => reader.u32());
    branches.set(slot, { end, bitmap, hashes, counts });
  }
  return branches;
}

function littleEndian(numbers: Uint32Array): Uint8Array {
  const view = new DataView(new ArrayBuffer(u32 * numbers.length));
  numbers.forEach((each, i) => {
    view.setUint32(u32 * i, each, true);
  });
  return new Uint8Array(view.buffer);
}

function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
