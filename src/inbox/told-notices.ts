import type { Sequence } from './stream-item.ts';

interface ToldNotice {
  readonly sequence: Sequence;
  /** Deliveries that were handed out before. */
  readonly order: number;
}

/**
 * Notices that were handed out. A consumer may have them behind what it is at work on, so that they are kept until all before
 * them is acknowledged.
 */
export class ToldNotices {
  readonly #notices: ToldNotice[] = [];

  get count(): number {
    return this.#notices.length;
  }

  /** `order`: how many deliveries were handed out before. */
  add(sequence: Sequence, order: number): void {
    this.#notices.push({ sequence, order });
  }

  /** Takes those that nothing is before any more; `oldest`: of the deliveries that are not acknowledged. */
  takeDone(oldest: number): Sequence[] {
    const end = this.#notices.findIndex(({ order }) => order > oldest);
    return this.#notices.splice(0, end < 0 ? this.#notices.length : end).map(({ sequence }) => sequence);
  }
}
