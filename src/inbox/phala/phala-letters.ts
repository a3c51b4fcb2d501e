import type { BlockNumber } from '../../chain/index.ts';
import { Reader, Writer } from '../../codec/index.ts';
import { isErrorCode, isOfUnreadVault, type ErrorCode } from '../../errors/index.ts';
import {
  lastNumber,
  numberedKey,
  rangeOf,
  storeKey,
  type Expectation,
  type TransactionalStore,
  type Write,
} from '../../store/index.ts';
import { decodePostedItem, encodePostedItem, type PostedCommand } from './posted-item.ts';

const commandPrefix = storeKey('phala/dead/');
const markPrefix = storeKey('phala/dead-mark/');
const totalKey = storeKey('phala/dead-total');

/** Of what is kept. On the topic of a contract most that does not open is sealed to others. */
export interface LetterBounds {
  readonly count: number;
  readonly bytes: number;
}

const marksAtOnce = 256;
const defaultBounds: LetterBounds = { count: 4_096, bytes: 64 * 2 ** 20 };

/** What is known of a letter without its posting. */
export interface LetterMark {
  readonly code: ErrorCode;
  /** How often it was tried again. */
  readonly retries: number;
  readonly block: BlockNumber;
  /** Of the stored posting. */
  readonly bytes: number;
}

/** As it is stored. */
interface StoredMark extends LetterMark {
  readonly stored: Uint8Array;
}

/** By its number: the place that the posting had in the order of the chain. */
export type NumberedMark = readonly [number: bigint, mark: StoredMark];

/** What changes letters holds only where nobody else did meanwhile. */
export interface LetterChange {
  readonly writes: readonly Write[];
  readonly expected: readonly Expectation[];
}

/** Postings that could not be read, in the store of a listener: the newest of them, up to so many and so many bytes. */
export class PhalaLetters {
  readonly #store: TransactionalStore;
  readonly #most: LetterBounds;

  constructor(store: TransactionalStore, most = defaultBounds) {
    this.#store = store;
    this.#most = most;
  }

  /** Adds one; the oldest go where there are too many. */
  async addition(number: bigint, command: PostedCommand, code: ErrorCode): Promise<LetterChange> {
    const value = encodePostedItem(command);
    const mark = { code, retries: 0, block: command.block, bytes: value.length };
    const total = await this.#total();
    let [count, bytes] = [total.count + 1, total.bytes + value.length];
    const isTooMuch = (): boolean => count > this.#most.count || bytes > this.#most.bytes;
    const gone: Write[] = [];
    for (let from = 0n; isTooMuch();) {
      const [oldest] = await this.#marksFrom(from, 1);
      if (oldest === undefined) break;
      gone.push(...removal(oldest[0]));
      [count, bytes, from] = [count - 1, bytes - oldest[1].bytes, oldest[0] + 1n];
    }
    return {
      writes: [
        ...gone,
        { key: numberedKey(commandPrefix, number), value },
        { key: numberedKey(markPrefix, number), value: encodeMark(mark) },
        totalWrite({ count, bytes }),
      ],
      expected: [total.expectation],
    };
  }

  /** Removes those. */
  async removal(marks: readonly NumberedMark[]): Promise<LetterChange> {
    const total = await this.#total();
    const bytes = marks.reduce((sum, [, mark]) => sum + mark.bytes, 0);
    // Of those that are gone meanwhile it would be less than none: that does not come to be, as they are expected.
    const left = { count: Math.max(0, total.count - marks.length), bytes: Math.max(0, total.bytes - bytes) };
    return {
      writes: [...marks.flatMap(([number]) => removal(number)), totalWrite(left)],
      expected: [total.expectation, ...marks.map(expectationOf)],
    };
  }

  /** Of one that was tried in vain: that the vault's file can not be read is no try. */
  update(before: NumberedMark, code: ErrorCode): LetterChange {
    const [number, mark] = before;
    const value = encodeMark({ ...mark, code, retries: mark.retries + (isOfUnreadVault(code) ? 0 : 1) });
    return { writes: [{ key: numberedKey(markPrefix, number), value }], expected: [expectationOf(before)] };
  }

  async #marksFrom(number: bigint, limit: number): Promise<NumberedMark[]> {
    const entries = await this.#store.entries({
      from: numberedKey(markPrefix, number),
      to: rangeOf(markPrefix).to,
      limit,
    });
    return entries.map(([key, value]) => [lastNumber(key), decodeMark(value)] as const);
  }

  /** Oldest first. */
  async *marks(): AsyncGenerator<NumberedMark> {
    for (let from = 0n; ;) {
      const page = await this.#marksFrom(from, marksAtOnce);
      yield* page;
      const last = page.at(-1);
      if (last === undefined) return;
      from = last[0] + 1n;
    }
  }

  async mark(number: bigint): Promise<NumberedMark | undefined> {
    const value = await this.#store.get(numberedKey(markPrefix, number));
    return value && [number, decodeMark(value)];
  }

  async command(number: bigint): Promise<PostedCommand | undefined> {
    const value = await this.#store.get(numberedKey(commandPrefix, number));
    const item = value && decodePostedItem(value);
    return item?.kind === 'posted' ? item : undefined;
  }

  async #total() {
    const value = await this.#store.get(totalKey);
    const expectation: Expectation = { key: totalKey, value };
    if (value === undefined) return { count: 0, bytes: 0, expectation };
    const reader = new Reader(value, 'The count of dead letters');
    return { count: reader.u32(), bytes: Number(reader.u64()), expectation };
  }
}

function removal(number: bigint): Write[] {
  return [commandPrefix, markPrefix].map((prefix) => ({ key: numberedKey(prefix, number), value: undefined }));
}

function expectationOf([number, { stored }]: NumberedMark): Expectation {
  return { key: numberedKey(markPrefix, number), value: stored };
}

function totalWrite({ count, bytes }: LetterBounds): Write {
  return { key: totalKey, value: new Writer(12).u32(count).u64(bytes).finish() };
}

function encodeMark({ code, retries, block, bytes }: LetterMark): Uint8Array {
  return new Writer().u32(retries).u32(block).u32(bytes).bytes(new TextEncoder().encode(code)).finish();
}

function decodeMark(stored: Uint8Array): StoredMark {
  const reader = new Reader(stored, 'The mark of a dead letter');
  const [retries, block, bytes] = [reader.u32(), reader.u32(), reader.u32()];
  const code = new TextDecoder().decode(reader.bytes());
  return { retries, block, bytes, code: isErrorCode(code) ? code : 'open-failed', stored };
}
