import { Reader, Writer } from '../codec/index.ts';
import { lastNumber, numberedKey, rangeOf, storeKey, type TransactionalStore, type Write } from '../store/index.ts';
import { channelBytes, type ChannelId } from './channel-id.ts';

export const paths = ['chain', 'relay'] as const;

export type Path = (typeof paths)[number];

/**
 * Marks of a channel that only grow. highest: greatest nonce that is finalized on chain. forgotten, passed: greatest nonce
 * that was forgotten because it was old, or because it had been seen long ago though it was far in the future.
 */
type Mark = 'highest' | 'forgotten' | 'passed';

/** What the window knows of one channel: read once, then followed. */
export class ChannelMarks {
  readonly bytes: Uint8Array;
  readonly #seen: Readonly<Record<Path, Uint8Array>>;
  readonly #marks: Record<Mark, bigint>;
  readonly #changed = new Set<Mark>();
  /** No nonce seen by the path, and not in a run, is lower. */
  readonly lowest: Record<Path, bigint>;
  /** No run ends at a lower nonce. */
  lowestRun: bigint;
  #top: bigint;

  private constructor(
    bytes: Uint8Array,
    numbers: Record<Mark, bigint>,
    lowest: Record<Path, bigint>,
    lowestRun: bigint,
    top: bigint,
  ) {
    this.bytes = bytes;
    this.lowestRun = lowestRun;
    this.#seen = { chain: seenPrefix('chain', bytes), relay: seenPrefix('relay', bytes) };
    this.#marks = numbers;
    this.lowest = lowest;
    this.#top = top;
  }

  static async read(store: TransactionalStore, channel: ChannelId): Promise<ChannelMarks> {
    const bytes = channelBytes(channel);
    const number = async (mark: Mark): Promise<bigint> => {
      const value = await store.get(storeKey(`${mark}/`, bytes));
      return value === undefined ? -1n : new Reader(value, 'A mark of the replay window').u64();
    };
    const end = async (path: Path | 'runs', reverse: boolean): Promise<bigint | undefined> => {
      const [entry] = await store.entries({ ...rangeOf(seenPrefix(path, bytes)), limit: 1, reverse });
      return entry && lastNumber(entry[0]);
    };
    const [highest, forgotten, passed] = await Promise.all([number('highest'), number('forgotten'), number('passed')]);
    const kinds = ['chain', 'relay', 'runs'] as const;
    const ends = await Promise.all(kinds.map((kind) => end(kind, true)));
    const [chain, relay, runs] = await Promise.all(kinds.map((kind) => end(kind, false)));
    const all = [...ends, highest, forgotten, passed];
    const top = all.reduce<bigint>((greatest, each = -1n) => (each > greatest ? each : greatest), -1n);
    const lowest = { chain: chain ?? beyondAll, relay: relay ?? beyondAll };
    return new ChannelMarks(bytes, { highest, forgotten, passed }, lowest, runs ?? beyondAll, top);
  }

  /** No nonce seen by either path, alone or in a run, and no mark is greater. */
  get top(): bigint {
    return this.#top;
  }

  /** -1n: none yet. */
  get(mark: Mark): bigint {
    return this.#marks[mark];
  }

  raise(mark: Mark, to: bigint): void {
    if (to <= this.#marks[mark]) return;
    this.#marks[mark] = to;
    this.#changed.add(mark);
    if (to > this.#top) this.#top = to;
  }

  /** A nonce above the top is seen on chain, in a finalized block. */
  advance(nonce: bigint): void {
    this.#top = nonce;
    this.#marks.highest = nonce;
    this.#changed.add('highest');
  }

  seenKey(path: Path, nonce: bigint): Uint8Array {
    return numberedKey(this.#seen[path], nonce);
  }

  /** Of the run that ends with the nonce. */
  runKey(last: bigint): Uint8Array {
    return storeKey(seenPrefix('runs', this.bytes), last);
  }

  noteRun(last: bigint): void {
    if (last > this.#top) this.#top = last;
    if (last < this.lowestRun) this.lowestRun = last;
  }

  noteSeen(path: Path, nonce: bigint): void {
    if (nonce > this.#top) this.#top = nonce;
    if (nonce < this.lowest[path]) this.lowest[path] = nonce;
  }

  /** What was raised since the last call. */
  takeWrites(): Write[] {
    const writes = [...this.#changed].map((mark) => markWrite(mark, this.bytes, this.#marks[mark]));
    this.#changed.clear();
    return writes;
  }
}

/** Greater than any nonce. */
export const beyondAll = 1n << 64n;

function seenPrefix(path: Path | 'runs', bytes: Uint8Array): Uint8Array {
  return storeKey(`seen/${path}/`, bytes);
}

function markWrite(mark: Mark, bytes: Uint8Array, value: bigint): Write {
  return { key: storeKey(`${mark}/`, bytes), value: new Writer().u64(value).finish() };
}
