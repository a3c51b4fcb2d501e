import { concat, defer, from, Subject, type Observable } from 'rxjs';
import type { RelayError } from '../../errors/index.ts';
import { doubtMs } from './endpoint-health.ts';

/** What is wrong with an endpoint, so that it is not used, or used less. */
export interface NodeFault {
  /** As it was given to `connectChain`. */
  readonly url: string;
  /**
   * `node-lies`: it was caught, and is left for good. `wrong-chain`: it is of another chain, and is not used as long as
   * that is so. `endpoints-disagree`: as many others contradict it as agree with it, and another one is used; for ten minutes,
   * or until those others were left.
   */
  readonly error: RelayError;
  /** Whether it is never used again. */
  readonly isLeft: boolean;
  /** When it was found, Unix time, ms. */
  readonly at: number;
}

/** What stands against endpoints: the last of each, and of one that was left why. */
export class NodeFaults {
  readonly #now: () => number;
  /** By URL, in the order they were found. */
  readonly #standing = new Map<string, NodeFault>();
  /** Who contradicts those that are doubted. */
  readonly #accusers = new Map<string, ReadonlySet<string>>();
  readonly #found$ = new Subject<NodeFault>();

  /** `now`: Unix time, ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get standing(): readonly NodeFault[] {
    return [...this.#standing.values()].filter((fault) => !this.#isOver(fault));
  }

  /** Those that stand, then each that is found; completes with the connection. */
  readonly all$: Observable<NodeFault> = defer(() => concat(from(this.standing), this.#found$));

  /** False where that is known already. */
  note(url: string, error: RelayError, isLeft = false): boolean {
    const known = this.#standing.get(url);
    if (known?.isLeft === true || (known?.error.code === error.code && !isLeft && !this.#isOver(known))) return false;
    const fault = { url, error, isLeft, at: this.#now() };
    this.#standing.delete(url);
    this.#standing.set(url, fault);
    this.#found$.next(fault);
    return true;
  }

  /** It is of the right chain. */
  clearForeign(url: string): void {
    if (this.#standing.get(url)?.error.code === 'wrong-chain') this.#standing.delete(url);
  }

  /** Others contradict it. */
  doubt(url: string, error: RelayError, accusers: readonly string[]): void {
    this.note(url, error);
    this.#accusers.set(url, new Set(accusers));
  }

  /** The word of one that was left counts against nobody; gives those that nobody else contradicts. */
  clearDoubtsBy(accuser: string): readonly string[] {
    const cleared: string[] = [];
    for (const [url, accusers] of this.#accusers) {
      const others = new Set([...accusers].filter((each) => each !== accuser));
      this.#accusers.set(url, others);
      if (others.size > 0) continue;
      this.#accusers.delete(url);
      if (this.#standing.get(url)?.error.code === 'endpoints-disagree') this.#standing.delete(url);
      cleared.push(url);
    }
    return cleared;
  }

  #isOver({ error, at }: NodeFault): boolean {
    return error.code === 'endpoints-disagree' && this.#now() - at >= doubtMs;
  }

  end(): void {
    this.#found$.complete();
  }
}
