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
/** By two digits as one number, the first in its low byte: the byte that they stand for, or more than a byte. */
const bytesOfDigits = new Uint16Array(65_536).fill(256);
const digits = Array.from(hexValues.entries()).filter(([, value]) => value <= 15);
for (const [high, highValue] of digits)
  for (const [low, lowValue] of digits) bytesOfDigits[high | (low << 8)] = (highValue << 4) | lowValue;

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
  readonly #text: DataView;
  /** Of the first digit. */
  readonly #start: number;
  readonly #length: number;
  #offset = 0;

  /** Throws bad-hex for what is no hex at first sight. */
  constructor({ frame, start, end }: RawText) {
    if ((end - start) % 2 !== 0 || frame[start] !== 0x30 || frame[start + 1] !== 0x78) throw badHex();
    this.#text = new DataView(frame.buffer, frame.byteOffset, frame.length);
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
    const text = this.#text;
    let from = this.#start + 2 * at;
    let seen = 0;
    for (let i = to, end = to + length; i < end; i++, from += 2) {
      const byte = bytesOfDigits[text.getUint16(from, true)] ?? 256;
      seen |= byte;
      target[i] = byte;
    }
    if (seen > 255) throw badHex();
  }

  #byte(at: number): number {
    const byte = bytesOfDigits[this.#text.getUint16(this.#start + 2 * at, true)] ?? 256;
    if (byte > 255) throw badHex();
    return byte;
  }
}

function canonical(value: number, least: number): number {
  if (value < least) throw new RelayError('non-canonical', { details: { what } });
  return value;
}

function badHex(): RelayError {
  return new RelayError('bad-hex', { details: { what } });
}
