import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';

/** What a stored notice is to a subscriber: told, of no meaning to it, or the return of a message that it has not had. */
type Word = 'told' | 'meaningless' | 'return';

/** What a subscriber is told of reorgs: nothing of what was over before it had the message. */
export class ReorgWords {
  /** Messages that were retracted when it was their turn. */
  readonly #retracted = new Set<Sequence>();
  /** What was handed out as final, though the store tells behind it that a reorg took it and that it came back: up to where, ascending. */
  readonly #settled = new Map<Sequence, Sequence>();

  /** A message is retracted at its turn. */
  lost(of: Sequence): void {
    this.#retracted.add(of);
  }

  /** A message that came back is handed out as final. `end`: where the store ends now; all that it tells of it is before that. */
  settled(of: Sequence, end: Sequence): void {
    this.#settled.delete(of);
    this.#settled.set(of, end);
  }

  /** It is the turn of the last item before `next`. */
  wentOn(next: Sequence): void {
    for (const [of, end] of this.#settled) {
      if (end >= next) break;
      this.#settled.delete(of);
    }
  }

  /** Of a notice whose turn it is. */
  take(item: Exclude<StreamItem, MessageRecord>): Word {
    if (item.kind === 'finalized') this.#settled.delete(item.of);
    if (item.kind !== 'retracted' && item.kind !== 'reinstated') return 'told';
    if (this.#settled.has(item.of)) return 'meaningless';
    return item.kind === 'reinstated' && this.#retracted.delete(item.of) ? 'return' : 'told';
  }
}
