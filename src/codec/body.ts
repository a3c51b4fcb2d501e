import { toBytes, toHex, type BytesLike, type Hex } from './hex.ts';
import { Reader, startOfLastBytes } from './reader.ts';
import { lengthOfBytes, Writer } from './writer.ts';

/** What is encrypted (protocol.md §4). */
export type Body =
  | { readonly kind: 'data'; readonly content: Uint8Array }
  | { readonly kind: 'invocation'; readonly to: Hex; readonly input: Uint8Array }
  | { readonly kind: 'reply'; readonly inReplyTo: Hex; readonly content: Uint8Array };

/** A body as a caller may give it: ids and bytes in either form. */
export type BodyInput =
  | { readonly kind: 'data'; readonly content: BytesLike }
  | { readonly kind: 'invocation'; readonly to: BytesLike; readonly input: BytesLike }
  | { readonly kind: 'reply'; readonly inReplyTo: BytesLike; readonly content: BytesLike };

export function encodeBody(body: BodyInput): Uint8Array {
  switch (body.kind) {
    case 'data': {
      const content = toBytes(body.content, 'The content');
      return new Writer(1 + lengthOfBytes(content.length)).u8(0).bytes(content).finish();
    }
    case 'invocation':
      return new Writer()
        .u8(1)
        .raw(toBytes(body.to, 'to', 32))
        .bytes(toBytes(body.input, 'The input'))
        .finish();
    case 'reply':
      return new Writer()
        .u8(2)
        .raw(toBytes(body.inReplyTo, 'inReplyTo', 32))
        .bytes(toBytes(body.content, 'The content'))
        .finish();
  }
}

/**
 * Throws truncated, trailing-bytes, non-canonical or unknown-variant. `isOwn`: nobody else uses `bytes`, so the content may be a
 * view of them.
 */
export function decodeBody(bytes: Uint8Array, isOwn = false): Body {
  const start = bytes[0] === 0 ? startOfLastBytes(bytes, 1) : -1;
  if (start > 0) {
    const content = new Uint8Array(bytes.buffer, bytes.byteOffset + start, bytes.length - start);
    return { kind: 'data', content: isOwn ? content : new Uint8Array(content) };
  }
  const reader = new Reader(bytes, 'The body', isOwn);
  const body = readBody(reader);
  reader.end();
  return body;
}

function readBody(reader: Reader): Body {
  const variant = reader.u8();
  switch (variant) {
    case 0:
      return { kind: 'data', content: reader.bytes() };
    case 1:
      return { kind: 'invocation', to: toHex(reader.fixed(32)), input: reader.bytes() };
    case 2:
      return { kind: 'reply', inReplyTo: toHex(reader.fixed(32)), content: reader.bytes() };
    default:
      throw reader.unknownVariant(variant);
  }
}
