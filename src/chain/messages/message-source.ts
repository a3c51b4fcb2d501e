import { Reader } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { RawText } from '../rpc/raw-text.ts';
import { hexValues } from '../storage/fast-hex.ts';

/** What messages are read from, as SCALE. Throws what the codec's Reader throws. */
export interface MessageSource {
  u8(): number;
  /** Steps over the next `length` bytes; gives where they begin. */
  skip(length: number): number;
  compactLength(): number;
  /** Throws trailing-bytes unless all was read. */
  end(): void;
  unknownVariant(variant: number): RelayError;
  /** Whether `bytes` stand at a place that was stepped over. */
  standsAt(at: number, bytes: Uint8Array): boolean;
  /** Of bytes that were stepped over. */
  copy(at: number, length: number, target: Uint8Array, to: number): void;
}

const what = 'OutboundMessages';
/** Bytes from which on it is less work to read several digits at once. */
const worthViews = 64;

export class ByteSource extends Reader implements MessageSource {
  constructor(bytes: Uint8Array) {
    super(bytes, what, true);
  }

  /** From the end: topics of entities begin alike. */
  standsAt(at: number, bytes: Uint8Array): boolean {
    const { whole } = this;
    for (let i = bytes.length - 1; i >= 0; i--) if (whole[at + i] !== bytes[i]) return false;
    return true;
  }

  copy(at: number, length: number, target: Uint8Array, to: number): void {
    target.set(this.whole.subarray(at, at + length), to);
  }
}

/**
 * Reads from hex as it came, and makes bytes of nothing but what is wanted: most of a block is for others. Throws bad-hex
 * too, where it meets something else.
 */
export class HexSource implements MessageSource {
  readonly #text: Uint8Array;
  /** Of the first digit. */
  readonly #start: number;
  readonly #length: number;
  #offset = 0;

  /** Throws bad-hex for what is no hex at first sight. */
  constructor({ frame, start, end }: RawText) {
    if ((end - start) % 2 !== 0 || frame[start] !== 0x30 || frame[start + 1] !== 0x78) throw badHex();
    this.#text = frame;
    this.#start = start + 2;
    this.#length = (end - start) / 2 - 1;
  }

  u8(): number {
    return this.#byte(this.skip(1));
  }

  skip(length: number): number {
    const left = this.#length - this.#offset;
    if (length > left)
      throw new RelayError('truncated', { details: { what, needed: length, offset: this.#offset, left } });
    const at = this.#offset;
    this.#offset += length;
    return at;
  }

  compactLength(): number {
    const first = this.u8();
    const mode = first & 3;
    if (mode === 0) return first >> 2;
    if (mode === 1) return canonical(((this.u8() << 8) | first) >> 2, 1 << 6);
    if (mode === 3) throw new RelayError('non-canonical', { details: { what } });
    const low = this.u8();
    const high = this.u8() | (this.u8() << 8);
    return canonical(((high << 14) | (low << 6) | (first >> 2)) >>> 0, 1 << 14);
  }

  end(): void {
    const left = this.#length - this.#offset;
    if (left > 0) throw new RelayError('trailing-bytes', { details: { what, left } });
  }

  unknownVariant(variant: number): RelayError {
    return new RelayError('unknown-variant', { details: { what, variant } });
  }

  standsAt(at: number, bytes: Uint8Array): boolean {
    for (let i = bytes.length - 1; i >= 0; i--) if (this.#byte(at + i) !== bytes[i]) return false;
    return true;
  }

  copy(at: number, length: number, target: Uint8Array, to: number): void {
    const from = this.#start + 2 * at;
    const done = length < worthViews ? 0 : copyLowerCase(this.#text, from, length, target, to);
    this.#copyAny(from + 2 * done, length - done, target, to + done);
  }

  #copyAny(start: number, length: number, target: Uint8Array, to: number): void {
    const text = this.#text;
    let from = start;
    let seen = 0;
    for (let i = to, end = to + length; i < end; i++, from += 2) {
      const high = hexValues[text[from] ?? 0] ?? 255;
      const low = hexValues[text[from + 1] ?? 0] ?? 255;
      seen |= high | low;
      target[i] = (high << 4) | low;
    }
    if (seen > 15) throw badHex();
  }

  #byte(at: number): number {
    const from = this.#start + 2 * at;
    const high = hexValues[this.#text[from] ?? 0] ?? 255;
    const low = hexValues[this.#text[from + 1] ?? 0] ?? 255;
    if ((high | low) > 15) throw badHex();
    return (high << 4) | low;
  }
}

/**
 * Makes bytes of hex as nodes write it, eight digits at a time; gives how many there are before something else, or before
 * what is left of less.
 */
function copyLowerCase(text: Uint8Array, from: number, length: number, target: Uint8Array, to: number): number {
  const source = new DataView(text.buffer, text.byteOffset + from, 2 * length);
  const places = new DataView(target.buffer, target.byteOffset + to, length);
  const whole = length & -4;
  for (let i = 0; i < whole; i += 4) {
    const first = source.getUint32(2 * i, true);
    const second = source.getUint32(2 * i + 4, true);
    const [a, b] = [valuesOf(first), valuesOf(second)];
    if (((digitsOf(a) ^ first) | (digitsOf(b) ^ second) | ((a | b) & 0x10101010)) !== 0) return i;
    places.setUint32(i, packed(a) | (packed(b) << 16), true);
  }
  return whole;
}

/** Four digits, one in each byte, to their values; of what is no digit something else. */
function valuesOf(digits: number): number {
  return (digits & 0x0f0f0f0f) + 9 * ((digits >>> 6) & 0x01010101);
}

/** What the values are written as: what differs from it was no digit. */
function digitsOf(values: number): number {
  return values + 0x30303030 + 0x27 * (((values + 0x06060606) >>> 4) & 0x01010101);
}

/** The two bytes of four digits. */
function packed(values: number): number {
  const pairs = ((values << 4) | (values >>> 8)) & 0x00ff00ff;
  return (pairs | (pairs >>> 8)) & 0xffff;
}

function canonical(value: number, least: number): number {
  if (value < least) throw new RelayError('non-canonical', { details: { what } });
  return value;
}

function badHex(): RelayError {
  return new RelayError('bad-hex', { details: { what } });
}
