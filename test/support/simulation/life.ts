/** A process that can die between any two of its steps: what it waited for never comes, what it does has no effect. */
export class Life {
  #isOver = false;
  #steps = 0;

  /** Begun and ended so far. */
  get steps(): number {
    return this.#steps;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** As kill -9. */
  end(): void {
    this.#isOver = true;
  }

  /** A step of the process. */
  async step<T>(work: () => T | Promise<T>): Promise<T> {
    await this.#alive();
    this.#steps++;
    const result = await work();
    this.#steps++;
    await this.#alive();
    return result;
  }

  /** Never settled where the life is over; nothing keeps that alive. */
  #alive(): Promise<void> | undefined {
    return this.#isOver ? new Promise(() => undefined) : undefined;
  }
}
