import { RelayError } from '../errors/index.ts';
import { joinBytes } from './bytes.ts';

const maxCompact = 2 ** 30 - 1;

/** Writes SCALE. */
export class Writer {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    checkUint(value, 8);
    return this.raw(Uint8Array.of(value));
  }

  u32(value: number): this {
    checkUint(value, 32);
    return this.#number(4, (view) => {
      view.setUint32(0, value, true);
    });
  }

  u64(value: bigint | number): this {
    checkUint(value, 64);
    return this.#number(8, (view) => {
      view.setBigUint64(0, BigInt(value), true);
    });
  }

  compactLength(length: number): this {
    if (length < 1 << 6) return this.u8(length << 2);
    if (length < 1 << 14)
      return this.#number(2, (view) => {
        view.setUint16(0, (length << 2) | 1, true);
      });
    if (length <= maxCompact)
      return this.#number(4, (view) => {
        view.setUint32(0, length * 4 + 2, true);
      });
    throw new RelayError('bad-value', { details: { what: 'A length', reason: `${length} is 2^30 or more` } });
  }

  bytes(value: Uint8Array): this {
    return this.compactLength(value.length).raw(value);
  }

  raw(value: Uint8Array): this {
    this.#parts.push(value);
    return this;
  }

  finish(): Uint8Array {
    return joinBytes(this.#parts);
  }

  #number(length: number, write: (view: DataView) => void): this {
    const bytes = new Uint8Array(length);
    write(new DataView(bytes.buffer));
    return this.raw(bytes);
  }
}

/** A number is exact as an integer up to 2^53 only. Throws bad-value. */
function checkUint(value: bigint | number, bits: number): void {
  const whole = typeof value === 'bigint' || Number.isSafeInteger(value);
  if (!whole || value < 0 || value >= 2 ** bits)
    throw new RelayError('bad-value', {
      details: { what: `A u${bits}`, reason: `${value} is no integer of ${bits} bits` },
    });
}
