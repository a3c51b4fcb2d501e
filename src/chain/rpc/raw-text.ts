import { keepShape } from '../keep-shape.ts';

/**
 * A long string of an answer, as the bytes in which it came: UTF-8 without escapes, looked at no further. It keeps in memory
 * what its frame came in: the whole frame, and around a small one some KiB of others.
 */
export class RawText {
  readonly frame: Uint8Array;
  readonly start: number;
  /** Behind the last character. */
  readonly end: number;

  constructor(frame: Uint8Array, start: number, end: number) {
    this.frame = frame;
    this.start = start;
    this.end = end;
  }

  /** Of a string as it comes where frames are no bytes, or are small. */
  static of(text: string): RawText {
    const bytes = new TextEncoder().encode(text);
    return new RawText(bytes, 0, bytes.length);
  }

  get length(): number {
    return this.end - this.start;
  }

  /** A view. */
  get bytes(): Uint8Array {
    return this.frame.subarray(this.start, this.end);
  }

  toString(): string {
    return textOf(this.frame, this.start, this.end);
  }
}

keepShape(RawText.of(''));

/** UTF-8 between two places as a string. */
export function textOf({ buffer, byteOffset, length }: Uint8Array, start = 0, end = length): string {
  if (typeof Buffer !== 'undefined') return Buffer.from(buffer, byteOffset, length).toString('utf8', start, end);
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(new Uint8Array(buffer, byteOffset + start, end - start));
}

/** The same memory. Where there is Node. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
