import { lengthOfBytes, toBytes, toHex, Writer, type Hex, type Reader } from '../codec/index.ts';
import { readFrame, readText, writeText, type FrameVersion } from './frames.ts';

const statuses = ['stored', 'delivered', 'duplicate', 'forwarded'] as const;
export type FrameStatus = (typeof statuses)[number];

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
      return [frame.code, frame.message, frame.remedy, frame.details].reduce(writeText, writer.u32(frame.id)).finish();
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
  return readFrame(bytes, (reader, type) => {
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

function option(writer: Writer, id: Hex | undefined): Writer {
  return id === undefined ? writer.u8(0) : writer.u8(1).raw(toBytes(id, 'identity', 32));
}
