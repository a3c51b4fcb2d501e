import { RelayError } from '../errors/index.ts';

/** A u64 by its halves, in the order that this machine has them: no arithmetic on bigints. */
const wide = new BigUint64Array(1);
const halves = new Uint32Array(wide.buffer);
const isLittleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A u64 at a place that is there. */
export function u64At(bytes: Uint8Array, at: number): bigint {
  halves[isLittleEndian ? 0 : 1] = u32At(bytes, at);
  halves[isLittleEndian ? 1 : 0] = u32At(bytes, at + 4);
  return wide[0] ?? 0n;
}

function u32At(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
  return (low | ((bytes[at + 3] ?? 0) << 24)) >>> 0;
}

/**
 * Where the content of `Bytes` begins that stand at a place and end with all the rest, in their shortest form; -1 of anything
 * else, of which a Reader says what is wrong with it. For what is read by the thousand, and well-formed as a rule.
 */
export function startOfLastBytes(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 3;
  const mode = first & 3;
  if (mode === 0) return at + 1 + (first >> 2) === bytes.length ? at + 1 : -1;
  if (mode !== 1) return -1;
  const length = (first | ((bytes[at + 1] ?? 0) << 8)) >> 2;
  return length >= 1 << 6 && at + 2 + length === bytes.length ? at + 2 : -1;
}

/** Reads SCALE from untrusted bytes: each length is checked against what is there before memory is taken. */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #isOwn: boolean;
  #offset = 0;

  /** `what` names the thing being read in errors. `isOwn`: what is read may be views of `bytes` instead of copies. */
  constructor(bytes: Uint8Array, what: string, isOwn = false) {
    this.#bytes = bytes;
    this.#what = what;
    this.#isOwn = isOwn;
  }

  /** All that is read from. */
  get whole(): Uint8Array {
    return this.#bytes;
  }

  get offset(): number {
    return this.#offset;
  }

  u8(): number {
    return this.#at(this.#take(1));
  }

  u32(): number {
    return u32At(this.#bytes, this.#take(4));
  }

  u64(): bigint {
    return u64At(this.#bytes, this.#take(8));
  }

  /** The next `length` bytes. */
  fixed(length: number): Uint8Array {
    const start = this.#take(length);
    const { buffer, byteOffset } = this.#bytes;
    // Takes a third of the time of subarray().
    const view = new Uint8Array(buffer, byteOffset + start, length);
    return this.#isOwn ? view : new Uint8Array(view);
  }

  /** Steps over the next `length` bytes; gives where they begin. */
  skip(length: number): number {
    return this.#take(length);
  }

  /** A compact length below 2^30, in its shortest form only. */
  compactLength(): number {
    const first = this.u8();
    const mode = first & 3;
    if (mode === 0) return first >> 2;
    if (mode === 1) return this.#canonical(((this.u8() << 8) | first) >> 2, 1 << 6);
    if (mode === 2) {
      const start = this.#take(3);
      const high = this.#at(start + 1) | (this.#at(start + 2) << 8);
      return this.#canonical(((high << 14) | (this.#at(start) << 6) | (first >> 2)) >>> 0, 1 << 14);
    }
    throw new RelayError('non-canonical', { details: { what: this.#what } });
  }

  /** `Bytes` of protocol.md: a compact length, then that many bytes. */
  bytes(): Uint8Array {
    return this.fixed(this.compactLength());
  }

  rest(): Uint8Array {
    return this.fixed(this.#bytes.length - this.#offset);
  }

  /** Throws trailing-bytes unless all was read. */
  end(): void {
    const left = this.#bytes.length - this.#offset;
    if (left > 0) throw new RelayError('trailing-bytes', { details: { what: this.#what, left } });
  }

  unknownVariant(variant: number): RelayError {
    return new RelayError('unknown-variant', { details: { what: this.#what, variant } });
  }

  #at(index: number): number {
    return this.#bytes[index] ?? 0;
  }

  #canonical(value: number, least: number): number {
    if (value < least) throw new RelayError('non-canonical', { details: { what: this.#what } });
    return value;
  }

  #take(needed: number): number {
    const left = this.#bytes.length - this.#offset;
    if (needed > left)
      throw new RelayError('truncated', { details: { what: this.#what, needed, offset: this.#offset, left } });
    const start = this.#offset;
    this.#offset += needed;
    return start;
  }
}
