import type { Entry, Expectation, KeyRange, TransactionalStore, Write } from '../../../src/store/index.ts';
import { RelayError } from '../../../src/errors/index.ts';
import type { Life } from './life.ts';

/**
 * Where a process dies: at the n-th commit of all lives from 1 on, just before that is durable or just after. Or it lives on:
 * `fails`, the store refuses that commit, as a full disk does for a moment.
 */
export interface Death {
  readonly commit: number;
  readonly when: 'before' | 'after' | 'fails';
}

/** What all lives of a process share. */
export interface Fate {
  /** So far. */
  commits: number;
  /** What is written waits for it. */
  gate?: Promise<void> | undefined;
  readonly death: Death | undefined;
}

/** A process's view of a store that outlives it. */
export class MortalStore implements TransactionalStore {
  readonly #disk: TransactionalStore;
  readonly #life: Life;
  readonly #fate: Fate;

  constructor(disk: TransactionalStore, life: Life, fate: Fate) {
    this.#disk = disk;
    this.#life = life;
    this.#fate = fate;
  }

  get(key: Uint8Array): Promise<Uint8Array | undefined> {
    return this.#life.step(() => this.#disk.get(key));
  }

  entries(range: KeyRange): Promise<Entry[]> {
    return this.#life.step(() => this.#disk.entries(range));
  }

  commit(writes: readonly Write[], expected?: readonly Expectation[]): Promise<boolean> {
    return this.#life.step(async () => {
      const { death } = this.#fate;
      await this.#fate.gate;
      const isLast = ++this.#fate.commits === death?.commit;
      if (isLast && death.when === 'fails')
        throw new RelayError('store-failed', { details: { path: 'simulated', reason: 'the disk is full' } });
      if (isLast && death.when === 'before') {
        this.#life.end();
        return false;
      }
      const isApplied = await this.#disk.commit(writes, expected);
      if (isLast) this.#life.end();
      return isApplied;
    });
  }

  async close(): Promise<void> {
    // The disk stays.
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
