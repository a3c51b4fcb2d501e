import type { Hex } from '../codec/index.ts';
import type { Write } from '../store/index.ts';
import type { InboxStore } from './inbox-store.ts';
import type { RelayedLetterMark } from './stored-letters.ts';
import type { Sequence } from './stream-item.ts';

export interface RelayedLetterLimits {
  readonly count: number;
  readonly bytes: number;
}

const defaultLimits: RelayedLetterLimits = { count: 1_000, bytes: 64 * 2 ** 20 };

/**
 * Dead letters of messages that came through relays. Anybody who makes a key can send what does not open, so there are so
 * many at most; past that the oldest of a stranger gives way, and that of a registered worker where there is none. Those that
 * wait for the vault's file to be read may be of any worth: they give way to nobody.
 */
export class RelayedLetters {
  readonly #store: InboxStore;
  readonly #limits: RelayedLetterLimits;
  readonly #marks: Map<Sequence, RelayedLetterMark>;
  readonly #unread: Set<Sequence>;
  readonly #ids: Set<Hex>;
  #bytes = 0;

  private constructor(
    store: InboxStore,
    limits: RelayedLetterLimits,
    marks: Map<Sequence, RelayedLetterMark>,
    unread: readonly Sequence[],
  ) {
    this.#store = store;
    this.#limits = limits;
    this.#marks = marks;
    this.#unread = new Set(unread);
    this.#ids = new Set([...marks.values()].map(({ messageId }) => messageId));
    for (const { bytes } of marks.values()) this.#bytes += bytes;
  }

  static async of(store: InboxStore, limits = defaultLimits): Promise<RelayedLetters> {
    return new RelayedLetters(store, limits, new Map(await store.letters.relayed()), await store.letters.unread());
  }

  /** A relay gives a message again that it was not told to be done with. */
  has(messageId: Hex): boolean {
    return this.#ids.has(messageId);
  }

  /** Writes for one more, beside the letter itself; undefined: there is no room for it. */
  add(sequence: Sequence, mark: RelayedLetterMark, isUnread: boolean): Write[] | undefined {
    this.#marks.set(sequence, mark);
    if (isUnread) this.#unread.add(sequence);
    this.#ids.add(mark.messageId);
    this.#bytes += mark.bytes;
    const gone: Write[] = [];
    while (this.#marks.size > this.#limits.count || this.#bytes > this.#limits.bytes) {
      const victim = this.#victim() ?? sequence;
      this.#remove(victim);
      if (victim === sequence) return undefined;
      gone.push(...this.#store.letters.removeWrites(victim));
    }
    return [this.#store.letters.relayedWrite(sequence, mark), ...gone];
  }

  #victim(): Sequence | undefined {
    let oldest: Sequence | undefined;
    for (const [sequence, { isRegistered }] of this.#marks) {
      if (this.#unread.has(sequence)) continue;
      if (!isRegistered) return sequence;
      oldest ??= sequence;
    }
    return oldest;
  }

  #remove(sequence: Sequence): void {
    const mark = this.#marks.get(sequence);
    if (mark === undefined) return;
    this.#marks.delete(sequence);
    this.#ids.delete(mark.messageId);
    this.#bytes -= mark.bytes;
  }
}
