import type { Arrival, Outcome } from './arrival.ts';
import type { Transactions } from './transactions.ts';

/** Relayed messages that share a transaction, at most. */
const mostAtOnce = 256;

interface Waiting {
  readonly arrival: Arrival;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages that come through relays; those that come at the same time share a transaction. */
export class RelayedArrivals {
  readonly #transactions: Transactions;
  readonly #takeAll: (arrivals: readonly Arrival[]) => Promise<readonly Outcome[]>;
  #waiting: Waiting[] = [];

  /** `takeAll`: takes several in one transaction, when it is its turn. */
  constructor(transactions: Transactions, takeAll: (arrivals: readonly Arrival[]) => Promise<readonly Outcome[]>) {
    this.#transactions = transactions;
    this.#takeAll = takeAll;
  }

  /** Resolves when what became of it is durable. */
  take(arrival: Arrival): Promise<Outcome> {
    const outcome = new Promise<Outcome>((resolve, reject) => {
      this.#waiting.push({ arrival, resolve, reject });
    });
    void this.#transactions.inTurn(() => this.#takeWaiting());
    return outcome;
  }

  async #takeWaiting(): Promise<void> {
    const waiting = this.#waiting.splice(0, mostAtOnce);
    if (waiting.length === 0) return;
    try {
      const outcomes = await this.#takeAll(waiting.map(({ arrival }) => arrival));
      waiting.forEach(({ resolve }, i) => {
        resolve(outcomes[i] ?? { type: 'seen' });
      });
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
  }
}
