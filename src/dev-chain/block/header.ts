import { concatBytes } from '../../codec/bytes.ts';
import type { Hex } from '../../codec/hex.ts';
import { Reader } from '../../codec/reader.ts';
import { Writer } from '../../codec/writer.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';

export interface Header {
  readonly parentHash: Hex;
  readonly number: number;
  readonly stateRoot: Hex;
  readonly extrinsicsRoot: Hex;
  /** Digest items, each SCALE-encoded. */
  readonly logs: readonly Hex[];
}

/** As the legacy RPCs show a header. */
export interface HeaderJson extends Omit<Header, 'number' | 'logs'> {
  readonly number: Hex;
  readonly digest: { readonly logs: readonly Hex[] };
}

export const zeroHash: Hex = `0x${'00'.repeat(32)}`;

export function encodeHeader(header: Header): Hex {
  const bytes = new Writer()
    .raw(hexToBytes(header.parentHash))
    .compactLength(header.number)
    .raw(hexToBytes(header.stateRoot))
    .raw(hexToBytes(header.extrinsicsRoot))
    .compactLength(header.logs.length)
    .raw(concatBytes(...header.logs.map(hexToBytes)))
    .finish();
  return bytesToHex(bytes);
}

export function decodeHeader(encoded: Hex): Header {
  const reader = new Reader(hexToBytes(encoded), 'The header');
  const parentHash = bytesToHex(reader.fixed(32));
  const number = reader.compactLength();
  const stateRoot = bytesToHex(reader.fixed(32));
  const extrinsicsRoot = bytesToHex(reader.fixed(32));
  const logs = Array.from({ length: reader.compactLength() }, () => digestItem(reader));
  reader.end();
  return { parentHash, number, stateRoot, extrinsicsRoot, logs };
}

export function headerJson(header: Header): HeaderJson {
  const { parentHash, stateRoot, extrinsicsRoot, logs } = header;
  return { parentHash, number: `0x${header.number.toString(16)}`, stateRoot, extrinsicsRoot, digest: { logs } };
}

const preRuntime = 6;

/**
 * Tells the blocks of a fork from those retracted, which may be the same otherwise. `PreRuntime`, since runtimes pass
 * on no other item that a header starts with.
 */
export function forkLog(fork: number): Hex {
  return bytesToHex(
    new Writer().u8(preRuntime).raw(Buffer.from('fork')).bytes(new Writer().u32(fork).finish()).finish(),
  );
}

/** sp-runtime's `DigestItem`: Other 0, Consensus 4, Seal 5, PreRuntime 6, RuntimeEnvironmentUpdated 8. */
function digestItem(reader: Reader): Hex {
  const kind = reader.u8();
  const writer = new Writer().u8(kind);
  if (kind >= 4 && kind <= 6) writer.raw(reader.fixed(4)).bytes(reader.bytes());
  else if (kind === 0) writer.bytes(reader.bytes());
  else if (kind !== 8) throw reader.unknownVariant(kind);
  return bytesToHex(writer.finish());
}
