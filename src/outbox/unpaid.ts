import type { RelayError } from '../errors/index.ts';
import type { ChainWork } from './work.ts';

/** Heads without a change of the balance, after which it is tried all the same: fees may have fallen. */
const mostLooks = 64;

/** What the account could not pay for: it is not signed anew for each block, but when there is something new. */
export class Unpaid {
  readonly #work: ChainWork;
  #refusal: RelayError | undefined;
  /** Before it was tried last, in the smallest unit. */
  #free: bigint | undefined;
  #looks = 0;

  constructor(work: ChainWork) {
    this.#work = work;
  }

  /** A node says that the account can't pay. */
  refused(error: RelayError): void {
    this.#refusal = error;
    this.#looks = 0;
  }

  /** A node took what was to be paid for. */
  paid(): void {
    this.#refusal = undefined;
    this.#free = undefined;
  }

  /** It is to be tried at once. */
  tryAgain(): void {
    this.#free = undefined;
  }

  /** The refusal, as long as another try would be in vain. Throws what the chain throws. */
  async look(): Promise<RelayError | undefined> {
    const { chain, account, signal } = this.#work;
    if (this.#refusal === undefined || account === undefined) return undefined;
    const { hash } = await chain.bestHead(signal);
    const free = await chain.at(hash).freeBalance(account.id, signal);
    this.#looks += 1;
    // Also where the chain tells no balances.
    const isNew = this.#free === undefined || free !== this.#free;
    this.#free = free;
    return isNew || this.#looks > mostLooks ? undefined : this.#refusal;
  }
}
