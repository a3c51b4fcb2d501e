import { Reader, Writer } from '../codec/index.ts';
import { decodeItem, lengthOfItem, writeItem, type Sequence, type StreamItem } from './stream-item.ts';

/**
 * Items that one transaction accepted, as one value: `count:u32`, the length of each (u32), then they themselves. It is
 * written once and never changed; beside it stands which of them are done with.
 */
export class Run {
  readonly first: Sequence;
  readonly count: number;
  readonly #bytes: Uint8Array;
  /** Where each begins, and the last one ends. */
  readonly #begins: Uint32Array;

  constructor(first: Sequence, bytes: Uint8Array) {
    const reader = new Reader(bytes, 'A stored run');
    this.first = first;
    this.count = reader.u32();
    this.#bytes = bytes;
    this.#begins = new Uint32Array(this.count + 1);
    let at = 4 * (1 + this.count);
    for (let i = 0; i < this.count; i++) {
      this.#begins[i] = at;
      at += reader.u32();
    }
    this.#begins[this.count] = at;
  }

  item(index: number): StreamItem {
    return decodeItem(this.#bytes.subarray(this.#begins[index], this.#begins[index + 1]));
  }
}

export function encodeRun(items: readonly StreamItem[]): Uint8Array {
  let length = 4 * (1 + items.length);
  for (const item of items) length += lengthOfItem(item);
  const writer = new Writer(length).u32(items.length);
  for (const item of items) writer.u32(lengthOfItem(item));
  for (const item of items) writeItem(writer, item);
  return writer.finish();
}

/** Which items of a run are done with. `count:u32`, then a bit for each, the lowest of a byte first. */
export class RunMarks {
  readonly first: Sequence;
  readonly count: number;
  /** The sequence after its last item. */
  readonly end: Sequence;
  #stored: Uint8Array | undefined;
  /** The first sequence. */
  readonly #begin: number;
  readonly #bits: Uint8Array;
  #left: number;

  private constructor(first: Sequence, count: number, bits: Uint8Array) {
    this.first = first;
    this.#begin = Number(first);
    this.count = count;
    this.end = first + BigInt(count);
    this.#bits = bits;
    this.#left = 0;
    for (let i = 0; i < count; i++) if (!this.isDone(i)) this.#left += 1;
  }

  static ofNew(first: Sequence, count: number): RunMarks {
    return new RunMarks(first, count, new Uint8Array(Math.ceil(count / 8)));
  }

  static decode(first: Sequence, bytes: Uint8Array): RunMarks {
    const reader = new Reader(bytes, 'The marks of a run');
    const count = reader.u32();
    const marks = new RunMarks(first, count, reader.fixed(Math.ceil(count / 8)));
    marks.#stored = bytes;
    return marks;
  }

  encode(): Uint8Array {
    return new Writer(4 + this.#bits.length).u32(this.count).raw(this.#bits).finish();
  }

  /** As the store has them; undefined where it has none. */
  get stored(): Uint8Array | undefined {
    return this.#stored;
  }

  /** The store has them as they are now: none where all is done. */
  committed(): void {
    this.#stored = this.isAllDone ? undefined : this.encode();
  }

  get isAllDone(): boolean {
    return this.#left === 0;
  }

  has(sequence: Sequence): boolean {
    return this.indexOf(sequence) !== undefined;
  }

  /** Of one of its items. As numbers: that takes a fraction of the time for thousands. */
  indexOf(sequence: Sequence): number | undefined {
    const index = Number(sequence) - this.#begin;
    return index >= 0 && index < this.count ? index : undefined;
  }

  isDone(index: number): boolean {
    return ((this.#bits[index >> 3] ?? 0) & (1 << (index & 7))) !== 0;
  }

  /** False: it was already. */
  markDone(index: number): boolean {
    if (this.isDone(index)) return false;
    this.#bits[index >> 3] = (this.#bits[index >> 3] ?? 0) | (1 << (index & 7));
    this.#left -= 1;
    return true;
  }
}
