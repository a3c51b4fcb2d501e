import { RelayError } from '../errors/index.ts';

const maxCompact = 2 ** 30 - 1;

/** Bytes that {@link Writer.bytes} writes for so many. */
export function lengthOfBytes(length: number): number {
  return length + (length < 1 << 6 ? 1 : length < 1 << 14 ? 2 : 4);
}

/** Bytes that are taken first, where nobody says how many there will be. */
const firstLength = 64;

/** Writes SCALE. */
export class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  /** `expected`: bytes to take at once; where just so many are written, none of them is copied again. */
  constructor(expected = firstLength) {
    this.#bytes = new Uint8Array(expected);
  }

  u8(value: number): this {
    checkUint(value, 8);
    // Room first: it may put other bytes in the place of these.
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  u32(value: number): this {
    checkUint(value, 32);
    this.#littleEndian(value, 4);
    return this;
  }

  u64(value: bigint | number): this {
    checkUint(value, 64);
    const whole = BigInt(value);
    this.#littleEndian(Number(whole & 0xffff_ffffn), 4);
    this.#littleEndian(Number(whole >> 32n), 4);
    return this;
  }

  compactLength(length: number): this {
    if (length < 1 << 6) this.#littleEndian(length << 2, 1);
    else if (length < 1 << 14) this.#littleEndian((length << 2) | 1, 2);
    else if (length <= maxCompact) this.#littleEndian(length * 4 + 2, 4);
    else throw new RelayError('bad-value', { details: { what: 'A length', reason: `${length} is 2^30 or more` } });
    return this;
  }

  bytes(value: Uint8Array): this {
    return this.compactLength(value.length).raw(value);
  }

  raw(value: Uint8Array): this {
    const at = this.#room(value.length);
    this.#bytes.set(value, at);
    return this;
  }

  /** What was written. The writer is empty then. */
  finish(): Uint8Array {
    const written = this.#length === this.#bytes.length ? this.#bytes : this.#bytes.slice(0, this.#length);
    this.#bytes = new Uint8Array();
    this.#length = 0;
    return written;
  }

  #littleEndian(value: number, length: number): void {
    const at = this.#room(length);
    for (let i = 0; i < length; i++) this.#bytes[at + i] = value >>> (8 * i);
  }

  /** Takes so many bytes more, and says where they begin. */
  #room(length: number): number {
    const at = this.#length;
    const needed = at + length;
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(2 * this.#bytes.length, needed));
      grown.set(this.#bytes.subarray(0, at));
      // What was written may be a secret.
      this.#bytes.fill(0);
      this.#bytes = grown;
    }
    this.#length = needed;
    return at;
  }
}

const greatest = { 8: 0xff, 32: 0xffff_ffff, 64: 0xffff_ffff_ffff_ffffn } as const;

/** A number is exact as an integer up to 2^53 only. Throws bad-value. */
function checkUint(value: bigint | number, bits: 8 | 32 | 64): void {
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!whole || value < 0 || value > greatest[bits])
    throw new RelayError('bad-value', {
      details: { what: `A u${bits}`, reason: `${value} is no integer of ${bits} bits` },
    });
}
