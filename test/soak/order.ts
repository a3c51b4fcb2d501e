import type { Hex } from '../../src/codec/index.ts';
import type { Excuses } from './excuses.ts';

/** What is known of the order of messages, by their names. */
export interface OrderTold {
  /** Texts: the two paths do not wait for each other. */
  readonly unordered: ReadonlySet<string>;
  /** That a reorg may have put behind later ones. */
  readonly mayBeLate: ReadonlySet<string>;
  /** That others may have brought in before earlier ones. */
  readonly mayBeEarly: ReadonlySet<string>;
}

/** A message that was handed out, by its place among those of its sender. */
export interface Placed {
  readonly text: string;
  readonly id: Hex;
  readonly name: string;
  readonly place: number;
  /** Its own block is in a gap, and it came as it was posted again. */
  readonly isOfCopy: boolean;
}

/** Of one sender: whether its messages come to a recipient in the order in which they were sent. */
export class Order {
  readonly #told: OrderTold;
  readonly #excused: Excuses;
  /** In order: what was handed out and not taken back. */
  #reached: Placed[] = [];
  /** The last place of what others may have brought in before earlier ones. */
  #ahead = -1;

  constructor(told: OrderTold, excused: Excuses) {
    this.#told = told;
    this.#excused = excused;
  }

  /** The first time that it is handed out. Gives the text of a later one that must not have been before it. */
  take(placed: Placed): string | undefined {
    const { text, name, place, isOfCopy } = placed;
    const { unordered, mayBeEarly, mayBeLate } = this.#told;
    if (unordered.has(text)) return undefined;
    const last = this.#reached.at(-1);
    if (last !== undefined && place < last.place) {
      if (isOfCopy) this.#excused.add('came late: posted again, since a gap hid its own block');
      else if (!mayBeLate.has(name)) return last.text;
      else this.#excused.add('came late: a reorg took its block, and others post as its account');
      return undefined;
    }
    if (isOfCopy) return undefined;
    if (place < this.#ahead)
      this.#excused.add('came early: others posted it, and other software used the sequence of one before it');
    if (mayBeEarly.has(name)) this.#ahead = Math.max(this.#ahead, place);
    else this.#reached.push(placed);
    return undefined;
  }

  /** Later ones may be before it only where they were taken back since. */
  takeBack(id: Hex): void {
    this.#reached = this.#reached.filter((placed) => placed.id !== id);
  }
}
