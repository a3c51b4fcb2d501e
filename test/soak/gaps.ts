/** Blocks, both ends included. */
export interface Span {
  readonly first: number;
  readonly last: number;
}

/** Blocks that a recipient told to be missing, held against those that the run has had forgotten while it kept it away. */
export class Gaps {
  readonly #told: readonly Span[];
  readonly #mayMiss: readonly Span[];

  constructor(told: readonly Span[], mayMiss: readonly Span[]) {
    this.#told = told;
    this.#mayMiss = mayMiss;
  }

  /** Told, and of the run's own doing. */
  isMissing(block: number): boolean {
    return isIn(this.#told, block) && isIn(this.#mayMiss, block);
  }

  /** Told to be missing, though the run has not had them forgotten. */
  untrue(): Span[] {
    return this.#told.filter(({ first, last }) => {
      for (let block = first; block <= last; block++) if (!isIn(this.#mayMiss, block)) return true;
      return false;
    });
  }

  isTold(block: number): boolean {
    return isIn(this.#told, block);
  }
}

function isIn(spans: readonly Span[], block: number): boolean {
  return spans.some(({ first, last }) => block >= first && block <= last);
}
