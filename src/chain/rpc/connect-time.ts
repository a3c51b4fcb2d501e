/** The time in which a chain is to be connected: connections that break meanwhile are borne until then, and no longer. */
export class ConnectTime {
  readonly #now: () => number;
  #until: number | undefined;

  /** `now`: ms. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** How much of it is left, ms; undefined where nothing is being connected. */
  get leftMs(): number | undefined {
    return this.#until === undefined ? undefined : Math.max(0, this.#until - this.#now());
  }

  /** While `work` reads what it takes to connect. */
  async during<T>(until: number, work: () => Promise<T>): Promise<T> {
    this.#until = until;
    try {
      return await work();
    } finally {
      this.#until = undefined;
    }
  }
}
