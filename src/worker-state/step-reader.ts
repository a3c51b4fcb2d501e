import type { Hex } from '../codec/index.ts';
import { reduceWorker } from './reduce-worker.ts';
import type { ResolvedWorker } from './resolve-worker.ts';
import type { At, WorkerStateStep } from './worker-state.ts';

/** Workers of which is remembered what a reader has seen of them. */
const maxWorkers = 4_096;
/** Bytes that these take, about. */
const maxBytes = 2 ** 25;
/** Of a worker without endpoints, in memory. */
const entryBytes = 512;

export interface StepSource {
  readonly at: At;
  resolved(id: Hex): ResolvedWorker | undefined;
}

/**
 * One reader's place in the stream of changes: what happens until it looks again comes as one, so that a slow reader
 * costs the same whatever it misses.
 */
export class StepReader {
  readonly #source: StepSource;
  /** What the reader has seen of the workers that are different now. */
  readonly #seen = new Map<Hex, ResolvedWorker | undefined>();
  #bytes = 0;
  #isReset = false;

  constructor(source: StepSource) {
    this.#source = source;
  }

  get isWaiting(): boolean {
    return this.#isReset || this.#seen.size > 0;
  }

  /** To be called before or after a worker changes, with what it was. */
  note(id: Hex, before: ResolvedWorker | undefined): void {
    if (this.#isReset || this.#seen.has(id)) return;
    this.#seen.set(id, before);
    this.#bytes += entryBytes + sizeOf(before);
    if (this.#seen.size <= maxWorkers && this.#bytes <= maxBytes) return;
    this.#clear();
    this.#isReset = true;
  }

  /** From what the reader has seen to what is now. */
  take(): WorkerStateStep {
    const { at } = this.#source;
    const isReset = this.#isReset;
    const changes = Array.from(this.#seen, ([id, before]) => reduceWorker(before, this.#source.resolved(id)));
    this.#clear();
    return { ...at, isReset, changes: changes.flat().map((change) => ({ ...at, ...change })) };
  }

  #clear(): void {
    this.#seen.clear();
    this.#bytes = 0;
    this.#isReset = false;
  }
}

function sizeOf(worker: ResolvedWorker | undefined): number {
  if (worker === undefined) return 0;
  const { endpoints, epochs } = worker.entry;
  return endpoints.reduce((sum, url) => sum + 2 * url.length, 128 * epochs.length);
}
