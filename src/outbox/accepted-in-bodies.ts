import type { BlockId } from '../chain/index.ts';
import type { Hex } from '../codec/index.ts';

/** Signed messages with sequences in a row that an extrinsic lets in together, or none of them. */
export interface Run {
  readonly first: bigint;
  /** Of the messages, in the order of their sequences. */
  readonly ids: readonly Hex[];
  readonly block: BlockId;
  /** Where its first sequence is the next one, it comes in. Else it may come to nothing even so. */
  readonly isSure: boolean;
}

/** In the order of the chain. gone: any number of blocks whose extrinsics nobody has. */
export type Step = Run | 'gone';

/** Both included. */
export interface Bounds {
  readonly least: bigint;
  readonly most: bigint;
}

export interface Ends {
  /** The worker's next sequence before the first step. */
  readonly before: Bounds;
  /** The same behind the last step. */
  readonly after: bigint;
}

/** Where a message came in. none: in none of these blocks. */
export type Acceptance = BlockId | 'none' | 'unknown';

/** Blocks nobody has the extrinsics of, where the sequence may have gone from one that is not above `from` up to `to`. */
interface Crossing {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * What became of signed messages, by the sequence of their worker alone: all ways are followed on which it can have come from one
 * end to the other, each sequence used once, and in order. What is so on all of them is known.
 */
export class AcceptedInBodies {
  readonly #ends: Ends;
  /** The greatest sequence that a way begins with; undefined: there is no way, so that something was let in unseen. */
  readonly #begins: bigint | undefined;
  /** What can have used a sequence, by the ids of the messages, with the first block of each. */
  readonly #users = new Map<bigint, Map<Hex, BlockId>>();
  readonly #crossings: readonly Crossing[];

  constructor(steps: readonly Step[], ends: Ends) {
    this.#ends = ends;
    const known = sequencesAmong(steps, ends);
    const { least, most } = ends.before;
    const begins = known.filter((sequence) => sequence >= least && sequence <= most);
    const reached = forwards(steps, begins, known);
    const { reaching, used } = backwards(steps, reached, ends.after, known);
    this.#begins = begins.filter((sequence) => reaching.has(sequence)).reduce<bigint | undefined>(greater, undefined);
    this.#crossings = used.filter((each): each is Crossing => 'from' in each);
    for (const run of used) if ('ids' in run) this.#add(run);
  }

  /** Whether there is a way from one end to the other. */
  get isPossible(): boolean {
    return this.#begins !== undefined;
  }

  of(id: Hex, sequence: bigint): Acceptance {
    const { before, after } = this.#ends;
    if (sequence < before.least || sequence >= after) return 'none';
    if (this.#begins === undefined) return 'unknown';
    const users = this.#users.get(sequence);
    const block = users?.get(id);
    const isUsedUnseen = this.#crossings.some(({ from, to }) => from <= sequence && sequence < to);
    if (block === undefined) return isUsedUnseen ? 'unknown' : 'none';
    return users?.size === 1 && !isUsedUnseen && this.#begins <= sequence ? block : 'unknown';
  }

  #add({ first, ids, block }: Run): void {
    ids.forEach((id, i) => {
      const sequence = first + BigInt(i);
      const users = this.#users.get(sequence) ?? new Map<Hex, BlockId>();
      this.#users.set(sequence, users);
      if (!users.has(id)) users.set(id, block);
    });
  }
}

/** All that make a difference, in order: of sequences that no message is signed for one stands for all up to the next. */
function sequencesAmong(steps: readonly Step[], { before, after }: Ends): bigint[] {
  const known = new Set([before.least, after]);
  for (const step of steps) {
    if (step === 'gone') continue;
    for (let i = 0; i <= step.ids.length + 1; i++) known.add(step.first + BigInt(i));
  }
  return [...known].sort((a, b) => (a < b ? -1 : Number(a > b)));
}

/** Of each step from the first on: whether the sequence can be that of the run; of what is gone the least that it can be. */
function forwards(
  steps: readonly Step[],
  begins: readonly bigint[],
  known: readonly bigint[],
): (bigint | boolean | undefined)[] {
  const at = new Set(begins);
  return steps.map((step) => {
    if (step === 'gone') {
      const least = [...at].reduce<bigint | undefined>((a, b) => (a === undefined || b < a ? b : a), undefined);
      for (const sequence of known) if (least !== undefined && sequence > least) at.add(sequence);
      return least;
    }
    if (!at.has(step.first)) return false;
    if (step.isSure) at.delete(step.first);
    at.add(step.first + BigInt(step.ids.length));
    return true;
  });
}

/** From the last step on: with what of the steps the end can be reached, and the sequences before the first from which it can. */
function backwards(
  steps: readonly Step[],
  reached: readonly (bigint | boolean | undefined)[],
  after: bigint,
  known: readonly bigint[],
): { readonly reaching: ReadonlySet<bigint>; readonly used: readonly (Run | Crossing)[] } {
  const reaching = new Set([after]);
  const used: (Run | Crossing)[] = [];
  for (let i = steps.length - 1; i >= 0; i--) {
    const [step, from] = [steps[i], reached[i]];
    if (step === 'gone') {
      const to = [...reaching].reduce<bigint | undefined>(greater, undefined);
      for (const sequence of known) if (to !== undefined && sequence < to) reaching.add(sequence);
      if (typeof from === 'bigint' && to !== undefined) used.push({ from, to });
    } else if (step !== undefined) {
      const isReaching = reaching.has(step.first + BigInt(step.ids.length));
      if (isReaching) reaching.add(step.first);
      else if (step.isSure) reaching.delete(step.first);
      if (isReaching && from === true) used.push(step);
    }
  }
  return { reaching, used: used.reverse() };
}

function greater(a: bigint | undefined, b: bigint): bigint {
  return a === undefined || b > a ? b : a;
}
