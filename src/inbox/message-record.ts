import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import type { BlockNumber } from '../chain/index.ts';

/** Where a message was posted. */
export interface BlockRef {
  readonly number: BlockNumber;
  readonly hash: Hex;
}

/** An accepted message as the store keeps it until it is acknowledged and final: sealed, as it came. */
export interface MessageRecord {
  readonly envelope: Uint8Array;
  /** undefined for via relay. */
  readonly block: BlockRef | undefined;
  readonly isFinal: boolean;
  readonly isAcknowledged: boolean;
  /** A reorg took its block away. */
  readonly isRetracted: boolean;
}

const flags = ['isFinal', 'isAcknowledged', 'isRetracted'] as const;

export function encodeRecord(record: MessageRecord): Uint8Array {
  const set = flags.reduce((bits, flag, i) => bits | (record[flag] ? 1 << i : 0), 0);
  const writer = new Writer().u8(set).u8(record.block === undefined ? 0 : 1);
  if (record.block !== undefined) writer.u32(record.block.number).raw(toBytes(record.block.hash, 'hash', 32));
  return writer.bytes(record.envelope).finish();
}

export function decodeRecord(bytes: Uint8Array): MessageRecord {
  const reader = new Reader(bytes, 'A stored message');
  const set = reader.u8();
  const block = reader.u8() === 0 ? undefined : { number: reader.u32(), hash: toHex(reader.fixed(32)) };
  const envelope = reader.bytes();
  reader.end();
  const has = (flag: (typeof flags)[number]): boolean => (set & (1 << flags.indexOf(flag))) !== 0;
  return {
    envelope,
    block,
    isFinal: has('isFinal'),
    isAcknowledged: has('isAcknowledged'),
    isRetracted: has('isRetracted'),
  };
}
