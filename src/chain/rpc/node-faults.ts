import { concat, defer, from, Subject, type Observable } from 'rxjs';
import type { RelayError } from '../../errors/index.ts';

/** What is wrong with an endpoint, so that it is not used, or used less. */
export interface NodeFault {
  /** As it was given to `connectChain`. */
  readonly url: string;
  /**
   * `node-lies`: it was caught, and is left for good. `wrong-chain`: it is of another chain, and is not used as long as
   * that is so. `endpoints-disagree`: as many others contradict it as agree with it, and another one is used.
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
  readonly #found$ = new Subject<NodeFault>();

  /** `now`: Unix time, ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get standing(): readonly NodeFault[] {
    return [...this.#standing.values()];
  }

  /** Those that stand, then each that is found; completes with the connection. */
  readonly all$: Observable<NodeFault> = defer(() => concat(from(this.standing), this.#found$));

  /** False where that is known already. */
  note(url: string, error: RelayError, isLeft = false): boolean {
    const known = this.#standing.get(url);
    if (known?.isLeft === true || (known?.error.code === error.code && !isLeft)) return false;
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

  end(): void {
    this.#found$.complete();
  }
}
