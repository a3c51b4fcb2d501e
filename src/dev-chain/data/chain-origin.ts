import type { Hex } from '../../codec/hex.ts';
import { Reader } from '../../codec/reader.ts';
import { Writer } from '../../codec/writer.ts';
import { RelayError } from '../../errors/index.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import { maxWorkers } from '../options.ts';

/** What a chain that is kept began with. */
export interface ChainOrigin {
  readonly genesis: Hex;
  readonly workers: number;
}

/** Of the layout of the folder. */
const version = 2;

/** The version (u8), the hash and the number of workers (u32). */
export function encodeOrigin({ genesis, workers }: ChainOrigin): Uint8Array {
  return new Writer().u8(version).raw(hexToBytes(genesis)).u32(workers).finish();
}

/** Throws bad-value, or another codec error. */
export function decodeOrigin(bytes: Uint8Array): ChainOrigin {
  const reader = new Reader(bytes, 'What the chain began with');
  const found = reader.u8();
  if (found !== version) throw badValue('The version of its layout', `${found}, not ${version}`);
  const [genesis, workers] = [bytesToHex(reader.fixed(32)), reader.u32()];
  reader.end();
  if (workers > maxWorkers) throw badValue('The number of its workers', `${workers} is more than ${maxWorkers}`);
  return { genesis, workers };
}

function badValue(what: string, reason: string): RelayError {
  return new RelayError('bad-value', { details: { what, reason } });
}
