import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';

const notHex = 255;
const values = new Uint8Array(128).fill(notHex);
for (let digit = 0; digit < 16; digit++) {
  values[digit.toString(16).charCodeAt(0)] = digit;
  values[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
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

/** As {@link fastFromHex} of each, together: views of one piece of memory. undefined where one of them is not hex. */
export function fastFromHexAll(texts: readonly string[]): Uint8Array[] | undefined {
  if (slab === undefined) {
    const each = texts.map(fastFromHex);
    return each.includes(undefined) ? undefined : (each as Uint8Array[]);
  }
  let digitCount = 0;
  const parts = new Array<string>(texts.length);
  for (let i = 0; i < texts.length; i++) {
    const text = texts[i] ?? '';
    if (text.length % 2 !== 0 || !text.startsWith('0x')) return undefined;
    digitCount += text.length - 2;
    parts[i] = text.slice(2);
  }
  const whole = decodeInto(Buffer.allocUnsafeSlow(digitCount / 2), 0, `0x${parts.join('')}`, digitCount / 2);
  if (whole === undefined) return undefined;
  const { buffer } = whole;
  let at = 0;
  return parts.map((part) => {
    const length = part.length / 2;
    at += length;
    return new Uint8Array(buffer, at - length, length);
  });
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
  for (let i = 0, at = 2; i < bytes.length; i++, at += 2) {
    const high = values[text.charCodeAt(at)] ?? notHex;
    const low = values[text.charCodeAt(at + 1)] ?? notHex;
    if ((high | low) > 15) return undefined;
    bytes[i] = (high << 4) | low;
  }
  return bytes;
}

const digits = Uint8Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));
const decoder = new TextDecoder('latin1');

/** As the codec's `toHex`, but one flat string: one built up by pieces takes several times the memory while it is kept. */
export function fastToHex(bytes: Uint8Array): Hex {
  return `0x${hexDigits(bytes)}`;
}

/** Hex without 0x. */
export function hexDigits(bytes: Uint8Array): string {
  const { buffer, byteOffset, length } = bytes;
  return slab === undefined ? portableHexDigits(bytes) : Buffer.from(buffer, byteOffset, length).toString('hex');
}

/** Where there is no Buffer. */
export function portableHexDigits(bytes: Uint8Array): string {
  const text = new Uint8Array(2 * bytes.length);
  let at = 0;
  for (const byte of bytes) {
    text[at++] = digits[byte >> 4] ?? 0;
    text[at++] = digits[byte & 15] ?? 0;
  }
  return decoder.decode(text);
}

const idDigits = 64;

/** The last 32 bytes of a storage key: the id that a concat hasher leaves there. */
export function idOfKey(key: Hex): Hex {
  return `0x${key.slice(-idDigits)}`;
}

/** As {@link idBytesOfKey} of each. Throws bad-hex. */
export function idBytesOfKeys(keys: readonly Hex[]): readonly Uint8Array[] {
  return fastFromHexAll(keys.map(idOfKey)) ?? keys.map(idBytesOfKey);
}

/** As {@link idOfKey}, as bytes. Throws bad-hex. */
export function idBytesOfKey(key: string): Uint8Array {
  const bytes = fastFromHex(idOfKey(key as Hex));
  if (bytes === undefined)
    throw new RelayError('bad-hex', {
      details: { what: `The end of the key ${key}` },
    });
  return bytes;
}
