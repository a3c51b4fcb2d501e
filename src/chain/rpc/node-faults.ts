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
  /** When it was found, or contradicted last, Unix time, ms. */
  readonly at: number;
}

/** What stands against endpoints: the last of each, and of one that was left why. */
export class NodeFaults {
  readonly #now: () => number;
  /** By URL, in the order they were found. */
  readonly #standing = new Map<string, NodeFault>();
  /** Who contradicts those that are doubted, and when each last did. */
  readonly #accusers = new Map<string, ReadonlyMap<string, number>>();
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

  /** Others contradict it: that counts for ten minutes from now on, beside what did before. */
  doubt(url: string, error: RelayError, accusers: readonly string[]): void {
    const at = this.#now();
    if (!this.note(url, error)) this.#renew(url, error, at);
    this.#accusers.set(url, new Map([...this.#accusersOf(url), ...accusers.map((accuser) => [accuser, at] as const)]));
  }

  /** The word of one that was left counts against nobody; gives those that nobody else contradicts. */
  clearDoubtsBy(accuser: string): readonly string[] {
    const cleared: string[] = [];
    for (const url of [...this.#accusers.keys()]) {
      const others = new Map(this.#accusersOf(url));
      others.delete(accuser);
      this.#accusers.set(url, others);
      if (others.size > 0) continue;
      this.#accusers.delete(url);
      if (this.#standing.get(url)?.error.code === 'endpoints-disagree') this.#standing.delete(url);
      cleared.push(url);
    }
    return cleared;
  }

  /** Those whose word still counts. */
  #accusersOf(url: string): (readonly [accuser: string, at: number])[] {
    return [...(this.#accusers.get(url) ?? [])].filter(([, at]) => this.#now() - at < doubtMs);
  }

  /** Known already, so nobody is told of it again. */
  #renew(url: string, error: RelayError, at: number): void {
    const known = this.#standing.get(url);
    if (known?.error.code === error.code) this.#standing.set(url, { ...known, error, at });
  }

  #isOver({ error, at }: NodeFault): boolean {
    return error.code === 'endpoints-disagree' && this.#now() - at >= doubtMs;
  }

  end(): void {
    this.#found$.complete();
  }
}
