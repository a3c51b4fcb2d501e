import { lengthOfBytes, Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

/*
 * Frames of /v1/ws: one binary WebSocket message each, a type byte, then SCALE. docs/relay.md tells what they mean.
 * `id` is chosen by the client and comes back in the one answer to the request; 0 is not a request's id.
 */

/**
 * What a relay may be asked: 1, or 2 with await-delivered and forget. A client names the version that it would like as `frames` in
 * the query; the hello says which it is. One that names none is taken to know 1 only.
 */
export type FrameVersion = 1 | 2;
export const newestFrames: FrameVersion = 2;

const statuses = ['stored', 'delivered', 'duplicate', 'forwarded'] as const;
export type FrameStatus = (typeof statuses)[number];

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

/** From a relay. */
export type RelayFrame =
  | {
      readonly type: 'hello';
      /** Default 1. */
      readonly version?: FrameVersion;
      readonly genesisHash: Hex;
      readonly window: number;
      readonly maxMessageBytes: number;
      /** The relay's own entity, where it has one. */
      readonly identity: Hex | undefined;
    }
  | { readonly type: 'receipt'; readonly id: number; readonly status: FrameStatus; readonly messageId: Hex }
  | {
      readonly type: 'error';
      /** 0: of the connection, which ends. */
      readonly id: number;
      readonly code: string;
      readonly message: string;
      readonly remedy: string;
      /** JSON object. */
      readonly details: string;
    }
  | { readonly type: 'challenge'; readonly id: number; readonly serverNonce: Uint8Array; readonly expiresAt: bigint }
  | {
      readonly type: 'logged-in';
      readonly id: number;
      /** Of the store (16 bytes): cursors of another one mean nothing here. */
      readonly generation: Hex;
      readonly acknowledged: bigint;
    }
  | { readonly type: 'delivery'; readonly cursor: bigint; readonly signedEnvelope: Uint8Array }
  | { readonly type: 'acked'; readonly upTo: bigint }
  | { readonly type: 'reply'; readonly id: number; readonly cursor: bigint; readonly signedEnvelope: Uint8Array };

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
export const relayTypes = {
  hello: 0x80,
  receipt: 0x81,
  error: 0x82,
  challenge: 0x83,
  'logged-in': 0x84,
  delivery: 0x85,
  acked: 0x86,
  reply: 0x87,
} as const;

/** Of the frames that come by the thousand. */
const lengths: Readonly<Partial<Record<RelayFrame['type'], number>>> = { receipt: 1 + 4 + 1 + 32, acked: 1 + 8 };

/** Bytes of a `send` or `delivery` frame beside its SignedEnvelope, at most. */
export const frameOverhead = 16;

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
      return text(writer.u32(frame.id).raw(toBytes(frame.identity, 'identity', 32)), frame.origin)
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
  return whole(bytes, readClientFrame);
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

export function encodeRelayFrame(frame: RelayFrame): Uint8Array {
  const writer = new Writer(lengths[frame.type]).u8(relayTypes[frame.type]);
  switch (frame.type) {
    case 'hello':
      return option(
        writer
          .u8(frame.version ?? 1)
          .raw(toBytes(frame.genesisHash, 'genesisHash', 32))
          .u32(frame.window)
          .u32(frame.maxMessageBytes),
        frame.identity,
      ).finish();
    case 'receipt':
      return writer
        .u32(frame.id)
        .u8(statuses.indexOf(frame.status))
        .raw(toBytes(frame.messageId, 'messageId', 32))
        .finish();
    case 'error':
      return [frame.code, frame.message, frame.remedy, frame.details].reduce(text, writer.u32(frame.id)).finish();
    case 'challenge':
      return writer.u32(frame.id).raw(frame.serverNonce).u64(frame.expiresAt).finish();
    case 'logged-in':
      return writer
        .u32(frame.id)
        .raw(toBytes(frame.generation, 'generation', 16))
        .u64(frame.acknowledged)
        .finish();
    case 'delivery':
      return writer.u64(frame.cursor).bytes(frame.signedEnvelope).finish();
    case 'acked':
      return writer.u64(frame.upTo).finish();
    case 'reply':
      return writer.u32(frame.id).u64(frame.cursor).bytes(frame.signedEnvelope).finish();
  }
}

/**
 * `delivery` frames, one after the other in one piece of memory: they go out together. `ends`: where each of them ends. `bytes`:
 * a SignedEnvelope.
 */
export function encodeDeliveries(page: readonly { readonly cursor: bigint; readonly bytes: Uint8Array }[]): {
  readonly frames: Uint8Array;
  readonly ends: readonly number[];
} {
  let length = 0;
  const ends = page.map(({ bytes }) => (length += 1 + 8 + lengthOfBytes(bytes.length)));
  const writer = new Writer(length);
  for (const { cursor, bytes } of page) writer.u8(relayTypes.delivery).u64(cursor).bytes(bytes);
  return { frames: writer.finish(), ends };
}

/** What comes out may be views of `bytes`. Throws truncated, trailing-bytes, non-canonical or unknown-variant. */
export function decodeRelayFrame(bytes: Uint8Array): RelayFrame {
  return whole(bytes, (reader, type) => {
    switch (type) {
      case relayTypes.hello:
        return readHello(reader);
      case relayTypes.receipt:
        return { type: 'receipt', id: reader.u32(), status: readStatus(reader), messageId: toHex(reader.fixed(32)) };
      case relayTypes.error:
        return {
          type: 'error',
          id: reader.u32(),
          code: readText(reader),
          message: readText(reader),
          remedy: readText(reader),
          details: readText(reader),
        };
      case relayTypes.challenge:
        return { type: 'challenge', id: reader.u32(), serverNonce: reader.fixed(32), expiresAt: reader.u64() };
      case relayTypes['logged-in']:
        return {
          type: 'logged-in',
          id: reader.u32(),
          generation: toHex(reader.fixed(16)),
          acknowledged: reader.u64(),
        };
      case relayTypes.delivery:
        return { type: 'delivery', cursor: reader.u64(), signedEnvelope: reader.bytes() };
      case relayTypes.acked:
        return { type: 'acked', upTo: reader.u64() };
      case relayTypes.reply:
        return { type: 'reply', id: reader.u32(), cursor: reader.u64(), signedEnvelope: reader.bytes() };
      default:
        throw reader.unknownVariant(type);
    }
  });
}

function readHello(reader: Reader): RelayFrame {
  const version = reader.u8();
  if (version !== 1 && version !== 2) throw reader.unknownVariant(version);
  return {
    type: 'hello',
    ...(version !== 1 && { version }),
    genesisHash: toHex(reader.fixed(32)),
    window: reader.u32(),
    maxMessageBytes: reader.u32(),
    identity: reader.u8() === 0 ? undefined : toHex(reader.fixed(32)),
  };
}

function readStatus(reader: Reader): FrameStatus {
  const index = reader.u8();
  const status = statuses[index];
  if (status === undefined) throw reader.unknownVariant(index);
  return status;
}

function whole<T>(bytes: Uint8Array, read: (reader: Reader, type: number) => T): T {
  const reader = new Reader(bytes, 'The frame', true);
  const frame = read(reader, reader.u8());
  reader.end();
  return frame;
}

function text(writer: Writer, value: string): Writer {
  return writer.bytes(new TextEncoder().encode(value));
}

function readText(reader: Reader): string {
  // A leading U+FEFF is text like any other.
  const bytes = reader.bytes();
  try {
    return new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RelayError('non-canonical', { details: { what: 'A text of the frame' }, cause });
  }
}

function option(writer: Writer, id: Hex | undefined): Writer {
  return id === undefined ? writer.u8(0) : writer.u8(1).raw(toBytes(id, 'identity', 32));
}
