import type { Hex } from '../../codec/index.ts';

const notHex = 255;
/** Of the codes of characters: 255 for those that are no digits. */
export const hexValues = new Uint8Array(256).fill(notHex);
for (let digit = 0; digit < 16; digit++) {
  hexValues[digit.toString(16).charCodeAt(0)] = digit;
  hexValues[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/** Memory of small values is taken in pieces of this size: a piece of its own for each costs more than decoding it. */
const slabBytes = 32_768;
let slab = typeof Buffer === 'undefined' ? undefined : Buffer.allocUnsafeSlow(slabBytes);
let slabUsed = 0;

/**
 * Decodes what a snapshot has megabytes of: some twenty times as fast as the codec's, which also says what is wrong.
 * undefined where it is not hex.
 */
export function fastFromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !text.startsWith('0x')) return undefined;
  if (slab === undefined) return portableFromHex(text);
  const length = text.length / 2 - 1;
  if (length > slabBytes / 4) return decodeInto(Buffer.allocUnsafeSlow(length), 0, text, length);
  if (slabUsed + length > slabBytes) {
    slab = Buffer.allocUnsafeSlow(slabBytes);
    slabUsed = 0;
  }
  const at = slabUsed;
  slabUsed += length;
  return decodeInto(slab, at, text, length);
}

/** Memory that {@link writeHex} fills at its best; the buffer holds nothing else. */
export function allocate(length: number): Uint8Array {
  return slab === undefined ? new Uint8Array(length) : Buffer.allocUnsafeSlow(length);
}

/**
 * Writes what the digits of a text from a place on stand for; gives where it ends, -1 where they are no hex. Of a wide
 * character only half is looked at: that is no other than if the half had been sent.
 */
export function writeHex(target: Uint8Array, at: number, text: string, from: number): number {
  const length = (text.length - from) / 2;
  if (length % 1 !== 0 || at + length > target.length) return -1;
  if (slab === undefined) return writePortably(target, at, text, from) ? at + length : -1;
  if (length === 0) return at;
  return asBuffer(target).write(text.slice(from), at, 'hex') === length ? at + length : -1;
}

let lastBuffer: Buffer | undefined;

/** Thousands of calls are about the same bytes, one after the other. */
function asBuffer(bytes: Uint8Array): Buffer {
  const { buffer, byteOffset, length } = bytes;
  const last = lastBuffer;
  if (last?.buffer === buffer && last.byteOffset === byteOffset && last.length === length) return last;
  return (lastBuffer = Buffer.from(buffer, byteOffset, length));
}

function decodeInto(target: Buffer, at: number, text: string, length: number): Uint8Array | undefined {
  // It stops at what is no hex, but of a wide character it sees only half.
  const written = length === 0 ? 0 : target.write(text.slice(2), at, 'hex');
  return written === length && Buffer.byteLength(text) === text.length
    ? new Uint8Array(target.buffer, at, length)
    : undefined;
}

/** Where there is no Buffer. */
export function portableFromHex(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(text.length / 2 - 1);
  return writePortably(bytes, 0, text, 2) ? bytes : undefined;
}

function writePortably(target: Uint8Array, start: number, text: string, from: number): boolean {
  for (let i = start, at = from; at < text.length; i++, at += 2) {
    const high = hexValues[text.charCodeAt(at)] ?? notHex;
    const low = hexValues[text.charCodeAt(at + 1)] ?? notHex;
    if ((high | low) > 15) return false;
    target[i] = (high << 4) | low;
  }
  return true;
}

const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const decoder = new TextDecoder('latin1');

/** As the codec's `toHex`, but one flat string: one built up by pieces takes several times the memory while it is kept. */
export function fastToHex(bytes: Uint8Array): Hex {
  return `0x${hexDigits(bytes)}`;
}

/** Hex of the bytes between two places, without 0x. */
export function hexDigits(bytes: Uint8Array, start = 0, end = bytes.length): string {
  return slab === undefined ? portableHexDigits(bytes, start, end) : asBuffer(bytes).toString('hex', start, end);
}

/** Where there is no Buffer. */
export function portableHexDigits(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const text = new Uint8Array(2 * (end - start));
  let to = 0;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0;
    text[to++] = digits[byte >> 4] ?? 0;
    text[to++] = digits[byte & 15] ?? 0;
  }
  return decoder.decode(text);
}

const idDigits = 64;

/** The last 32 bytes of a storage key: the id that a concat hasher leaves there. */
export function idOfKey(key: Hex): Hex {
  return `0x${key.slice(-idDigits)}`;
}
