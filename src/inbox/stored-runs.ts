import {
  lastNumber,
  numberedKey,
  rangeOf,
  storeKey,
  type Entry,
  type Expectation,
  type TransactionalStore,
  type Write,
} from '../store/index.ts';
import { encodeRun, Run, RunMarks } from './run.ts';
import type { Sequence, StreamItem } from './stream-item.ts';

const runPrefix = storeKey('inbox/run/');
const marksPrefix = storeKey('inbox/marks/');
/** Runs of which it is held in memory what is done of them. */
const runsHeld = 64;

/** The runs of a store and their marks, each under the sequence of its first item. */
export class StoredRuns {
  readonly #store: TransactionalStore;
  /** By the first sequence; of runs in the store that were used last, as it will be after what is being written. */
  readonly #marks = new Map<Sequence, RunMarks>();
  /** Those that are being written: what the store has is behind them, or of new ones another's, or nothing. */
  readonly #changed = new Map<Sequence, RunMarks>();
  #lastChanged: RunMarks | undefined;
  #run: Run | undefined;

  constructor(store: TransactionalStore) {
    this.#store = store;
  }

  /** To be followed by {@link committed} or {@link forget}. */
  newWrites(first: Sequence, items: readonly StreamItem[]): Write[] {
    const marks = RunMarks.ofNew(first, items.length);
    this.#changed.set(first, marks);
    return [
      { key: numberedKey(runPrefix, first), value: encodeRun(items) },
      { key: numberedKey(marksPrefix, first), value: marks.encode() },
    ];
  }

  /**
   * What is to be written when marks were changed: a run goes when all of it is done with. To be followed by
   * {@link committed} or {@link forget}.
   */
  marksWrites(marks: RunMarks): Write[] {
    const key = numberedKey(marksPrefix, marks.first);
    if (!marks.isAllDone) return [{ key, value: marks.encode() }];
    if (this.#run?.first === marks.first) this.#run = undefined;
    return [
      { key: numberedKey(runPrefix, marks.first), value: undefined },
      { key, value: undefined },
    ];
  }

  /** Marks an item done. False: it was already. */
  markDone(marks: RunMarks, index: number): boolean {
    if (this.#lastChanged !== marks) this.#changed.set(marks.first, (this.#lastChanged = marks));
    return marks.markDone(index);
  }

  /** Of the run that the sequence is in. */
  async marksOf(sequence: Sequence): Promise<RunMarks | undefined> {
    for (const held of [this.#changed, this.#marks])
      for (const marks of held.values()) if (marks.stored !== undefined && marks.has(sequence)) return marks;
    const range = { from: numberedKey(marksPrefix, 0n), to: numberedKey(marksPrefix, sequence + 1n) };
    const marks = this.#heldOf(await this.#store.entries({ ...range, limit: 1, reverse: true }));
    return marks?.has(sequence) === true ? marks : undefined;
  }

  /** Of the first run that begins at the sequence or later. */
  async nextMarks(sequence: Sequence): Promise<RunMarks | undefined> {
    const range = { from: numberedKey(marksPrefix, sequence), to: rangeOf(marksPrefix).to };
    return this.#heldOf(await this.#store.entries({ ...range, limit: 1 }));
  }

  async runOf({ first }: RunMarks): Promise<Run | undefined> {
    if (this.#run?.first === first) return this.#run;
    const value = await this.#store.get(numberedKey(runPrefix, first));
    if (value !== undefined) this.#run = new Run(first, value);
    return value && this.#run;
  }

  /** Hold while nobody else marked anything in the runs that are changed: the marks are written whole. */
  expectations(): Expectation[] {
    return [...this.#changed.values()].map(({ first, stored }) => ({
      key: numberedKey(marksPrefix, first),
      value: stored,
    }));
  }

  /** To be called where what was planned could not be committed: what is remembered is ahead of the store. */
  forget(): void {
    this.#marks.clear();
    this.#nothingChanged();
  }

  /** To be called where it was: the store has what is remembered. */
  committed(): void {
    for (const marks of this.#changed.values()) {
      marks.committed();
      if (marks.stored === undefined) this.#marks.delete(marks.first);
      else this.#hold(marks);
    }
    this.#nothingChanged();
  }

  #nothingChanged(): void {
    this.#changed.clear();
    this.#lastChanged = undefined;
  }

  #heldOf([entry]: readonly Entry[]): RunMarks | undefined {
    if (entry === undefined) return undefined;
    const first = lastNumber(entry[0]);
    const changed = this.#changed.get(first);
    const held = changed?.stored !== undefined ? changed : this.#marks.get(first);
    if (held !== undefined) return held;
    const marks = RunMarks.decode(first, entry[1]);
    this.#hold(marks);
    return marks;
  }

  #hold(marks: RunMarks): void {
    const [oldest] = this.#marks.keys();
    if (this.#marks.size >= runsHeld && oldest !== undefined) this.#marks.delete(oldest);
    this.#marks.set(marks.first, marks);
  }
}
