import type { ChainLogger, Clock, Head } from '../chain/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { ChangeSource, Differences, KnownRows, SourceMemory } from './change-source.ts';
import type { RowCollector } from './rows/row-collector.ts';

/** While hints are in use: time after which it is looked whether there are proofs again, ms. */
const proofsAgainMs = 60_000;

/**
 * Proofs where the nodes give them, else hints. Who gave none may do so later, or another node be in use: it is tried again
 * from time to time, and what the hints missed is then found.
 */
export class EitherSource implements ChangeSource {
  readonly #make: { readonly proofs: () => ChangeSource; readonly hints: () => ChangeSource };
  readonly #clock: Clock;
  readonly #logger: ChainLogger;
  #current: ChangeSource;
  /** Of those that were in use before. */
  #before: ChangeSource['stats'] = { reconciles: 0, missed: 0 };
  #refusedAt = 0;

  constructor(
    make: { readonly proofs: () => ChangeSource; readonly hints: () => ChangeSource },
    { clock, logger }: { readonly clock: Clock; readonly logger: ChainLogger },
  ) {
    this.#make = make;
    this.#clock = clock;
    this.#logger = logger;
    this.#current = make.proofs();
  }

  get strategy(): ChangeSource['strategy'] {
    return this.#current.strategy;
  }

  /** Of all that were in use. */
  get stats(): ChangeSource['stats'] {
    return sum(this.#before, this.#current.stats);
  }

  snapshot(head: Head, rows: RowCollector, signal: AbortSignal): Promise<boolean> {
    return this.#read((source) => source.snapshot(head, rows, signal));
  }

  changesAt(head: Head, known: KnownRows, signal: AbortSignal): Promise<Differences> {
    return this.#read((source) => source.changesAt(head, known, signal));
  }

  changesBack(retracted: Head, known: KnownRows, signal: AbortSignal): Promise<Differences> {
    return this.#read((source) => source.changesBack(retracted, known, signal));
  }

  memory(): Uint8Array {
    return this.#current.memory();
  }

  get remembered(): object | undefined {
    return this.#current.remembered;
  }

  recall(stored: SourceMemory): boolean {
    const source = stored.strategy === 'proofs' ? this.#make.proofs() : this.#make.hints();
    if (!source.recall(stored)) return false;
    this.#use(source);
    this.#refusedAt = this.#clock.now();
    return true;
  }

  async #read<T>(read: (source: ChangeSource) => Promise<T>): Promise<T> {
    const { strategy } = this.#current;
    if (strategy === 'hints' && this.#clock.now() - this.#refusedAt < proofsAgainMs) return read(this.#current);
    // What hints have shown since is nothing that proofs could go on from: they begin anew.
    const proofs = strategy === 'proofs' ? this.#current : this.#make.proofs();
    try {
      const result = await read(proofs);
      if (strategy === 'hints') this.#logger.debug({}, 'WorkerState is read by proofs again');
      this.#use(proofs);
      return result;
    } catch (error) {
      if (!isRelayError(error, 'proofs-unavailable')) throw error;
      this.#refusedAt = this.#clock.now();
      if (strategy === 'proofs') {
        this.#logger.warn({ error }, 'WorkerState is read without proofs');
        this.#use(this.#make.hints());
      }
      return read(this.#current);
    }
  }

  #use(source: ChangeSource): void {
    if (source === this.#current) return;
    this.#before = this.stats;
    this.#current = source;
  }
}

function sum(a: ChangeSource['stats'], b: ChangeSource['stats']): ChangeSource['stats'] {
  return { reconciles: a.reconciles + b.reconciles, missed: a.missed + b.missed };
}
