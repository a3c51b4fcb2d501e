import { toBytes, toHex, type BytesLike, type Hex } from './hex.ts';
import type { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** Who the chain or the signature proves as sender: a worker's IdentityKey or an account (protocol.md §5). */
export type FromKind = 'worker' | 'account';

export const headerLength = 145;
/** Of a header before its nonce. */
export const headerStartLength = 129;

export interface Header {
  readonly fromKind: FromKind;
  /** Sender's id: IdentityKey, or AccountId where `fromKind` is account. */
  readonly from: Hex;
  /** Recipient's IdentityKey. */
  readonly to: Hex;
  /** Sender's EcdhKey public key, 32 bytes. */
  readonly senderKey: Uint8Array;
  /** Recipient's EcdhKey public key, 32 bytes: tells the recipient which epoch opens it. */
  readonly recipientKey: Uint8Array;
  /** Grows per channel (protocol.md §9). */
  readonly nonce: bigint;
  /** Unix time, ms. */
  readonly sentAt: bigint;
}

/** What the messages of a channel have in common while neither side changes its EcdhKey. */
export type HeaderStart = Pick<Header, 'fromKind' | 'from' | 'to' | 'senderKey' | 'recipientKey'>;

/** Gives what a header begins with, of bytes that hold all of it from `at` on. */
interface HeaderStartSource {
  of(bytes: Uint8Array, at: number): HeaderStart;
}

/** A header as a caller may give it: ids and keys in either form. */
export interface HeaderInput {
  readonly fromKind: FromKind;
  readonly from: BytesLike;
  readonly to: BytesLike;
  readonly senderKey: BytesLike;
  readonly recipientKey: BytesLike;
  readonly nonce: bigint;
  readonly sentAt: bigint | number;
}

/** 145 bytes (protocol.md §5). */
export function encodeHeader(header: HeaderInput): Uint8Array {
  return new Writer(headerLength)
    .u8(header.fromKind === 'worker' ? 0 : 1)
    .raw(toBytes(header.from, 'from', 32))
    .raw(toBytes(header.to, 'to', 32))
    .raw(toBytes(header.senderKey, 'senderKey', 32))
    .raw(toBytes(header.recipientKey, 'recipientKey', 32))
    .u64(header.nonce)
    .u64(header.sentAt)
    .finish();
}

/** `starts`: gives what the header begins with. */
export function readHeader(reader: Reader, starts?: HeaderStartSource): Header {
  const kind = reader.u8();
  if (kind > 1) throw reader.unknownVariant(kind);
  if (starts !== undefined) {
    const at = reader.skip(headerStartLength - 1) - 1;
    const { fromKind, from, to, senderKey, recipientKey } = starts.of(reader.whole, at);
    return { fromKind, from, to, senderKey, recipientKey, nonce: reader.u64(), sentAt: reader.u64() };
  }
  return {
    fromKind: kind === 0 ? 'worker' : 'account',
    from: toHex(reader.fixed(32)),
    to: toHex(reader.fixed(32)),
    senderKey: reader.fixed(32),
    recipientKey: reader.fixed(32),
    nonce: reader.u64(),
    sentAt: reader.u64(),
  };
}
