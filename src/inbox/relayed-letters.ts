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

/** Which give way first, the oldest of them first. A worker's that is unread is not among them. */
const turns = [
  { isRegistered: false, isUnread: false },
  { isRegistered: false, isUnread: true },
  { isRegistered: true, isUnread: false },
] as const;

/**
 * Dead letters of messages that came through relays. Anybody who makes a key can send what does not open, so there are so
 * many at most; past that the oldest of a stranger gives way, and that of a registered worker where there is none, to another
 * worker's only. Those that wait for the vault's file to be read may be of any worth: a stranger's goes after all else that
 * strangers sent, and a worker's not at all.
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

  /** Writes for one more, beside the letter itself; undefined, and nothing is changed: there is no room for it. */
  add(sequence: Sequence, mark: RelayedLetterMark, isUnread: boolean): Write[] | undefined {
    const gone = this.#givingWay(sequence, mark, isUnread);
    if (gone === undefined) return undefined;
    for (const victim of gone) this.#remove(victim);
    this.#marks.set(sequence, mark);
    if (isUnread) this.#unread.add(sequence);
    this.#ids.add(mark.messageId);
    this.#bytes += mark.bytes;
    const { letters } = this.#store;
    return [letters.relayedWrite(sequence, mark), ...gone.flatMap((victim) => letters.removeWrites(victim))];
  }

  /** Which go for a new one; undefined where it is the new one itself. */
  #givingWay(sequence: Sequence, mark: RelayedLetterMark, isUnread: boolean): Sequence[] | undefined {
    let count = this.#marks.size + 1 - this.#limits.count;
    let bytes = this.#bytes + mark.bytes - this.#limits.bytes;
    if (count <= 0 && bytes <= 0) return [];
    const all = [...this.#marks, [sequence, mark] as const];
    const gone: Sequence[] = [];
    for (const turn of turns)
      for (const [each, { isRegistered, bytes: size }] of all) {
        const isWaiting = each === sequence ? isUnread : this.#unread.has(each);
        if (isRegistered !== turn.isRegistered || isWaiting !== turn.isUnread) continue;
        if (each === sequence) return undefined;
        gone.push(each);
        [count, bytes] = [count - 1, bytes - size];
        if (count <= 0 && bytes <= 0) return gone;
      }
    return undefined;
  }

  #remove(sequence: Sequence): void {
    const mark = this.#marks.get(sequence);
    if (mark === undefined) return;
    this.#marks.delete(sequence);
    this.#unread.delete(sequence);
    this.#ids.delete(mark.messageId);
    this.#bytes -= mark.bytes;
  }
}
