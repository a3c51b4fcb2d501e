import { concatBytes, toBytes, toHex, type FromKind, type Hex } from '../codec/index.ts';

/** Who sends to whom, and as what (protocol.md §9). */
export interface ChannelId {
  readonly fromKind: FromKind;
  readonly from: Hex;
  readonly to: Hex;
}

/** 65 bytes: the channel in keys of the store. */
export function channelBytes({ fromKind, from, to }: ChannelId): Uint8Array {
  return concatBytes(Uint8Array.of(fromKind === 'worker' ? 0 : 1), toBytes(from, 'from', 32), toBytes(to, 'to', 32));
}

/** Inverse of {@link channelBytes}. */
export function channelOfBytes(bytes: Uint8Array): ChannelId {
  return {
    fromKind: bytes[0] === 0 ? 'worker' : 'account',
    from: toHex(bytes.subarray(1, 33)),
    to: toHex(bytes.subarray(33, 65)),
  };
}
