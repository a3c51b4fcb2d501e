import type { Hex } from '../../codec/hex.ts';
import { Reader } from '../../codec/reader.ts';
import { Writer } from '../../codec/writer.ts';
import type { DevBlock } from '../block/block.ts';
import { decodeHeader, encodeHeader, type Header } from '../block/header.ts';
import type { StorageDiff } from '../executor/protocol.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';

/** A block as it is kept. */
export interface KeptBlock {
  readonly header: Header;
  readonly extrinsics: readonly Hex[];
  readonly timestamp: number;
  /** What makes its state of that of its parent. */
  readonly changes: StorageDiff;
}

/** SCALE: the header, the timestamp (u64), the extrinsics, and each changed key with its value, or none. */
export function encodeKeptBlock(
  { header, timestamp, extrinsics }: Pick<DevBlock, 'header' | 'timestamp' | 'extrinsics'>,
  changes: StorageDiff,
): Uint8Array {
  const writer = new Writer().bytes(hexToBytes(encodeHeader(header))).u64(timestamp);
  writer.compactLength(extrinsics.length);
  for (const extrinsic of extrinsics) writer.bytes(hexToBytes(extrinsic));
  writer.compactLength(changes.length);
  for (const [key, value] of changes) {
    writer.bytes(hexToBytes(key));
    if (value === null) writer.u8(0);
    else writer.u8(1).bytes(hexToBytes(value));
  }
  return writer.finish();
}

/** Throws a codec error. */
export function decodeKeptBlock(bytes: Uint8Array): KeptBlock {
  const reader = new Reader(bytes, 'The kept block', true);
  const header = decodeHeader(bytesToHex(reader.bytes()));
  const timestamp = Number(reader.u64());
  const extrinsics = Array.from({ length: reader.compactLength() }, () => bytesToHex(reader.bytes()));
  const changes = Array.from({ length: reader.compactLength() }, () => changeOf(reader));
  reader.end();
  return { header, timestamp, extrinsics, changes };
}

function changeOf(reader: Reader): StorageDiff[number] {
  const key = bytesToHex(reader.bytes());
  const presence = reader.u8();
  if (presence > 1) throw reader.unknownVariant(presence);
  return [key, presence === 0 ? null : bytesToHex(reader.bytes())];
}
