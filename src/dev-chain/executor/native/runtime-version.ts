import type { Hex } from '../../../codec/hex.ts';
import { Reader } from '../../../codec/reader.ts';
import { bytesToHex, hexToBytes } from '../../hex.ts';
import type { RuntimeVersion } from '../protocol.ts';

const apiIdLength = 8;

/** Decodes sp-version's `RuntimeVersion`. */
export function decodeRuntimeVersion(encoded: Hex): RuntimeVersion {
  const reader = new Reader(hexToBytes(encoded), 'The version of the runtime');
  const text = (): string => Buffer.from(reader.bytes()).toString();
  return {
    specName: text(),
    implName: text(),
    authoringVersion: reader.u32(),
    specVersion: reader.u32(),
    implVersion: reader.u32(),
    apis: Array.from({ length: reader.compactLength() }, () => [bytesToHex(reader.fixed(apiIdLength)), reader.u32()]),
    transactionVersion: reader.u32(),
    stateVersion: reader.u8(),
  };
}
