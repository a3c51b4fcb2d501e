import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import type { ExtrinsicFacts, SignedExtrinsic } from '../chain/index.ts';
import type { SendId } from './send-id.ts';

/** An extrinsic on its way, and the messages that it carries, in its order. */
export interface Flight {
  /** The first member's, or one that no message has: no two flights share one. */
  readonly id: SendId;
  readonly as: 'worker' | 'account';
  readonly members: readonly SendId[];
  readonly extrinsic: SignedExtrinsic;
}

/** All but the bytes of the extrinsic. */
export function encodeFlight({ as, members, extrinsic }: Flight): Uint8Array {
  const writer = new Writer();
  writeFacts(writer, as, extrinsic).compactLength(members.length);
  for (const id of members) writer.u64(id);
  return writer.finish();
}

export function decodeFlight(id: SendId, record: Uint8Array, bytes: Uint8Array): Flight {
  const reader = new Reader(record, 'An extrinsic under way');
  const { as, extrinsic } = readFacts(reader);
  const members: SendId[] = [];
  for (let left = reader.compactLength(); left > 0; left--) members.push(reader.u64());
  reader.end();
  return { id, as, members, extrinsic: { ...extrinsic, bytes } };
}

/** An extrinsic that is not followed and may come in all the same, and the messages in it by the ids that they have there. */
export interface RefusedFlight {
  readonly as: 'worker' | 'account';
  readonly members: readonly { readonly id: SendId; readonly messageId: Hex }[];
  readonly extrinsic: ExtrinsicFacts;
}

export function encodeRefused({ as, members, extrinsic }: RefusedFlight): Uint8Array {
  const writer = new Writer();
  writeFacts(writer, as, extrinsic).compactLength(members.length);
  for (const { id, messageId } of members) writer.u64(id).raw(toBytes(messageId, 'messageId', 32));
  return writer.finish();
}

export function decodeRefused(record: Uint8Array): RefusedFlight {
  const reader = new Reader(record, 'A refused extrinsic');
  const { as, extrinsic } = readFacts(reader);
  const members: { id: SendId; messageId: Hex }[] = [];
  for (let left = reader.compactLength(); left > 0; left--)
    members.push({ id: reader.u64(), messageId: toHex(reader.fixed(32)) });
  reader.end();
  return { as, members, extrinsic };
}

function writeFacts(writer: Writer, as: Flight['as'], extrinsic: ExtrinsicFacts): Writer {
  const { hash, account, nonce, anchor, death } = extrinsic;
  return writer
    .u8(as === 'worker' ? 0 : 1)
    .raw(toBytes(hash, 'hash', 32))
    .raw(toBytes(account, 'account', 32))
    .u32(nonce)
    .u32(anchor)
    .u32(death);
}

function readFacts(reader: Reader): { readonly as: Flight['as']; readonly extrinsic: ExtrinsicFacts } {
  const as = reader.u8() === 0 ? 'worker' : 'account';
  const [hash, account] = [toHex(reader.fixed(32)), toHex(reader.fixed(32))];
  return { as, extrinsic: { hash, account, nonce: reader.u32(), anchor: reader.u32(), death: reader.u32() } };
}

/** A worker's message that was signed for a sequence: whoever has it may post it, so it is kept and not signed again. */
export interface SignedMessage {
  readonly sequence: bigint;
  /** The finalized block when it was signed: no block up to it has the message, on whatever branch. */
  readonly since: number;
  readonly messageId: Hex;
  /** 64 bytes. */
  readonly signature: Uint8Array;
  readonly envelope: Uint8Array;
}

export function encodeSigned({ sequence, since, messageId, signature, envelope }: SignedMessage): Uint8Array {
  return new Writer(8 + 4 + 32 + 64 + envelope.length)
    .u64(sequence)
    .u32(since)
    .raw(toBytes(messageId, 'messageId', 32))
    .raw(signature)
    .raw(envelope)
    .finish();
}

export function decodeSigned(bytes: Uint8Array): SignedMessage {
  const reader = new Reader(bytes, 'A signed message', true);
  const [sequence, since] = [reader.u64(), reader.u32()];
  const messageId = toHex(reader.fixed(32));
  return { sequence, since, messageId, signature: reader.fixed(64), envelope: reader.rest() };
}
