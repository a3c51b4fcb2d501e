import type { Hex } from '../../codec/hex.ts';
import { Reader } from '../../codec/reader.ts';
import { Writer } from '../../codec/writer.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';

/** Where a chain stands among its blocks. */
export interface ChainTip {
  readonly head: Hex;
  readonly finalized: Hex;
  /** How many reorgs there were: blocks of a fork bear its number. */
  readonly forks: number;
  /** By which the chain's clock is ahead of the wall's. */
  readonly clockShiftMs: number;
}

/** Both hashes, the forks (u32) and the shift (i64). */
export function encodeTip({ head, finalized, forks, clockShiftMs }: ChainTip): Uint8Array {
  return new Writer()
    .raw(hexToBytes(head))
    .raw(hexToBytes(finalized))
    .u32(forks)
    .u64(BigInt.asUintN(64, BigInt(Math.round(clockShiftMs))))
    .finish();
}

/** Throws a codec error. */
export function decodeTip(bytes: Uint8Array): ChainTip {
  const reader = new Reader(bytes, 'The tip of the chain');
  const [head, finalized] = [bytesToHex(reader.fixed(32)), bytesToHex(reader.fixed(32))];
  const forks = reader.u32();
  const clockShiftMs = Number(BigInt.asIntN(64, reader.u64()));
  reader.end();
  return { head, finalized, forks, clockShiftMs };
}
