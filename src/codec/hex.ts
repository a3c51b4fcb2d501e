import { RelayError } from '../errors/index.ts';

/** Lower-case hex with 0x. Ids and hashes travel in this form. */
export type Hex = `0x${string}`;

/** Bytes, or the same as 0x-hex. Accepted where a caller may have either. */
export type BytesLike = Uint8Array | Hex;

// Several times faster where it is there: in Node.
const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: typeof Buffer };
const digits = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

export function toHex(bytes: Uint8Array): Hex {
  if (NodeBuffer !== undefined)
    return `0x${NodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')}`;
  let text = '0x';
  for (const byte of bytes) text += digits[byte] ?? '';
  return text as Hex;
}

/** `what` names the value in the error. Throws bad-hex. */
export function fromHex(text: string, what = 'The value'): Uint8Array {
  if (text.length % 2 !== 0 || !/^0x[0-9a-fA-F]*$/.test(text)) throw new RelayError('bad-hex', { details: { what } });
  const bytes = new Uint8Array((text.length - 2) / 2);
  for (let i = 0, at = 2; i < bytes.length; i++, at += 2)
    bytes[i] = (digitOf(text.charCodeAt(at)) << 4) | digitOf(text.charCodeAt(at + 1));
  return bytes;
}

/** Of the code of a hex digit. */
function digitOf(code: number): number {
  // 0x30: 0 to 9; else A to F or a to f, which are the same in their lower four bits.
  return code < 0x40 ? code - 0x30 : (code & 0xf) + 9;
}

/** Throws bad-hex, or bad-length where `length` is given and differs. */
export function toBytes(value: BytesLike, what: string, length?: number): Uint8Array {
  const bytes = typeof value === 'string' ? fromHex(value, what) : value;
  if (length !== undefined && bytes.length !== length)
    throw new RelayError('bad-length', { details: { what, expected: length, actual: bytes.length } });
  return bytes;
}
