import type { BlockNumber } from '../block-number.ts';
import type { ForkWitness } from '../quorum/fork-witness.ts';
import { checkLink } from './check-link.ts';
import type { BlockId, Head, HeadEvent } from './head.ts';
import { SeenBranch } from './seen-branch.ts';
import type { StartingPoint } from './starting-point.ts';

/** Finalized heads as a stream gave them, each the child of the one before, and which comes next. */
export class GivenHeads {
  readonly #start: StartingPoint;
  readonly #branch = new SeenBranch();
  #giver = '';
  /** Of all that were given. */
  #first: BlockNumber | undefined;

  constructor(start: StartingPoint) {
    this.#start = start;
  }

  get isEmpty(): boolean {
    return this.#branch.tip === undefined;
  }

  /** The last one, or the block that was seen before. */
  get last(): BlockId | undefined {
    return this.#branch.tip ?? this.#start.after;
  }

  /** Who told of the last one; empty where that is not known. */
  get giver(): string {
    return this.#giver;
  }

  /** undefined: whatever is told of. */
  get next(): BlockNumber | undefined {
    const { last } = this;
    return last === undefined ? this.#start.from : last.number + 1;
  }

  /** `giver`: who told of it, or of one that it leads to. Throws chain-forked where it does not follow the last one. */
  give(head: Head, giver: string): HeadEvent {
    const { last } = this;
    if (last !== undefined) checkLink(last, head);
    this.#branch.push(head);
    this.#giver = giver;
    this.#first ??= head.number;
    return { type: 'head', head };
  }

  /**
   * Those that were made up, of which the last is one, newest first; where that is `lone`'s alone, those that are. Throws
   * `fork` where they are not all remembered, or none was given.
   */
  async takeBack(
    witness: Pick<ForkWitness, 'firstMadeUp'>,
    fork: unknown,
    signal: AbortSignal,
    lone?: string,
  ): Promise<readonly HeadEvent[]> {
    const branch = this.#branch;
    const { oldest, tip } = branch;
    if (oldest === undefined || tip === undefined) throw fork;
    const blockAt = (number: BlockNumber): Head => branch.at(number) ?? tip;
    const lowest = await witness.firstMadeUp([oldest.number, tip.number], blockAt, signal, lone);
    if (lowest === oldest.number && lowest !== this.#first) throw fork;
    const heads = [...branch.retractDownTo(lowest - 1)];
    // Of what may be left of `lone`'s the others are asked again.
    if (lone === undefined || this.isEmpty) this.#giver = '';
    if (this.isEmpty) this.#first = undefined;
    return heads.map((head) => ({ type: 'retracted', head }));
  }
}
