import { toBytes, toHex, Writer, type Hex, type Reader } from '../codec/index.ts';
import { readFrame, readText, writeText } from './frames.ts';

/** From a client. */
export type ClientFrame =
  | { readonly type: 'send'; readonly id: number; readonly signedEnvelope: Uint8Array }
  | { readonly type: 'challenge-me'; readonly id: number }
  | {
      /** login: proves an identity and opens its mailbox. prove: proves it only. */
      readonly type: 'login' | 'prove';
      readonly id: number;
      readonly identity: Hex;
      readonly origin: string;
      readonly signature: Uint8Array;
    }
  | { readonly type: 'credit'; readonly deliveries: number }
  | { readonly type: 'ack'; readonly upTo: bigint }
  /** An answer, for the reply box of the key that it is sealed to. */
  | { readonly type: 'post-reply'; readonly id: number; readonly signedEnvelope: Uint8Array }
  /** The first answer to one's own `senderKey` after a cursor, whenever it comes. */
  | { readonly type: 'await-reply'; readonly id: number; readonly senderKey: Uint8Array; readonly after: bigint }
  /** Done with the answers up to a cursor, and with waiting for more. */
  | { readonly type: 'reply-done'; readonly senderKey: Uint8Array; readonly upTo: bigint }
  /** That the owner of a mailbox has acknowledged a message, whenever it does. Version 2. */
  | ({ readonly type: 'await-delivered'; readonly id: number } & SentMessage)
  /** The answer to one's request is waited for no more. Version 2. */
  | { readonly type: 'forget'; readonly id: number };

/** What a sender knows of its message, and a relay finds it by. */
export interface SentMessage {
  readonly to: Hex;
  readonly messageId: Hex;
  /** Of its header: Unix time, ms. */
  readonly sentAt: bigint;
}

export const clientTypes = {
  send: 0x01,
  'challenge-me': 0x02,
  login: 0x03,
  credit: 0x04,
  ack: 0x05,
  prove: 0x06,
  'post-reply': 0x07,
  'await-reply': 0x08,
  'reply-done': 0x09,
  'await-delivered': 0x0a,
  forget: 0x0b,
} as const;

export function encodeClientFrame(frame: ClientFrame): Uint8Array {
  const writer = new Writer().u8(clientTypes[frame.type]);
  switch (frame.type) {
    case 'send':
    case 'post-reply':
      return writer.u32(frame.id).bytes(frame.signedEnvelope).finish();
    case 'challenge-me':
      return writer.u32(frame.id).finish();
    case 'login':
    case 'prove':
      return writeText(writer.u32(frame.id).raw(toBytes(frame.identity, 'identity', 32)), frame.origin)
        .raw(toBytes(frame.signature, 'signature', 64))
        .finish();
    case 'credit':
      return writer.u32(frame.deliveries).finish();
    case 'ack':
      return writer.u64(frame.upTo).finish();
    case 'await-reply':
      return writer
        .u32(frame.id)
        .raw(toBytes(frame.senderKey, 'senderKey', 32))
        .u64(frame.after)
        .finish();
    case 'reply-done':
      return writer
        .raw(toBytes(frame.senderKey, 'senderKey', 32))
        .u64(frame.upTo)
        .finish();
    case 'await-delivered':
      return writer
        .u32(frame.id)
        .raw(toBytes(frame.to, 'to', 32))
        .raw(toBytes(frame.messageId, 'messageId', 32))
        .u64(frame.sentAt)
        .finish();
    case 'forget':
      return writer.u32(frame.id).finish();
  }
}

/** What comes out may be views of `bytes`. Throws truncated, trailing-bytes, non-canonical or unknown-variant. */
export function decodeClientFrame(bytes: Uint8Array): ClientFrame {
  return readFrame(bytes, readClientFrame);
}

function readClientFrame(reader: Reader, type: number): ClientFrame {
  switch (type) {
    case clientTypes.send:
      return { type: 'send', id: reader.u32(), signedEnvelope: reader.bytes() };
    case clientTypes['challenge-me']:
      return { type: 'challenge-me', id: reader.u32() };
    case clientTypes['post-reply']:
      return { type: 'post-reply', id: reader.u32(), signedEnvelope: reader.bytes() };
    case clientTypes['await-reply']:
      return { type: 'await-reply', id: reader.u32(), senderKey: reader.fixed(32), after: reader.u64() };
    case clientTypes['reply-done']:
      return { type: 'reply-done', senderKey: reader.fixed(32), upTo: reader.u64() };
    case clientTypes['await-delivered']:
      return {
        type: 'await-delivered',
        id: reader.u32(),
        to: toHex(reader.fixed(32)),
        messageId: toHex(reader.fixed(32)),
        sentAt: reader.u64(),
      };
    case clientTypes.forget:
      return { type: 'forget', id: reader.u32() };
    case clientTypes.login:
    case clientTypes.prove:
      return {
        type: type === clientTypes.login ? 'login' : 'prove',
        id: reader.u32(),
        identity: toHex(reader.fixed(32)),
        origin: readText(reader),
        signature: reader.fixed(64),
      };
    case clientTypes.credit:
      return { type: 'credit', deliveries: reader.u32() };
    case clientTypes.ack:
      return { type: 'ack', upTo: reader.u64() };
    default:
      throw reader.unknownVariant(type);
  }
}
