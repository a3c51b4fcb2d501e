import { RelayError } from '../errors/index.ts';
import type { Hex } from '../codec/index.ts';
import type { ResolvedWorker } from './resolve-worker.ts';
import { StepReader, type StepSource } from './step-reader.ts';
import type { WorkerStateStep } from './worker-state.ts';

interface Place {
  readonly reader: StepReader;
  /** Wakes who waits for a step. */
  wake: () => void;
  isClosed: boolean;
}

/** All who read changes at their own pace. */
export class StepReaders {
  readonly #source: StepSource;
  readonly #places = new Set<Place>();
  #end: { readonly error: RelayError | undefined } | undefined;

  constructor(source: StepSource) {
    this.#source = source;
  }

  /** All changes of a block, once the table shows them. */
  note(changed: Iterable<readonly [id: Hex, before: ResolvedWorker | undefined]>): void {
    if (this.#places.size === 0) return;
    const all = [...changed];
    for (const { reader, wake } of this.#places) {
      for (const [id, before] of all) reader.note(id, before);
      if (reader.isWaiting) wake();
    }
  }

  /** What was noted is still given out. */
  end(error?: RelayError): void {
    this.#end ??= { error };
    for (const { wake } of this.#places) wake();
  }

  /** Begins at once, not only when the first step is asked for. */
  open(signal?: AbortSignal): AsyncIterableIterator<WorkerStateStep, undefined> {
    const place: Place = { reader: new StepReader(this.#source), wake: () => undefined, isClosed: false };
    this.#places.add(place);
    const steps = this.#steps(place, signal);
    const iterator: AsyncIterableIterator<WorkerStateStep, undefined> = {
      next: () => steps.next(),
      return: async () => {
        // One that waits for a step would not hear of it, and one that was never asked for one not either.
        this.#close(place);
        await steps.return(undefined);
        return { done: true, value: undefined };
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  #close(place: Place): void {
    place.isClosed = true;
    this.#places.delete(place);
    place.wake();
  }

  async *#steps(place: Place, signal?: AbortSignal): AsyncGenerator<WorkerStateStep, undefined> {
    const onAbort = (): void => place.wake();
    signal?.addEventListener('abort', onAbort, { once: true });
    try {
      while (!place.isClosed) {
        if (signal?.aborted === true) throw new RelayError('aborted', { cause: signal.reason });
        if (place.reader.isWaiting) {
          const step = place.reader.take();
          if (step.isReset || step.changes.length > 0) yield step;
        } else if (this.#end !== undefined) {
          if (this.#end.error !== undefined) throw this.#end.error;
          return undefined;
        } else await new Promise<void>((resolve) => (place.wake = resolve));
      }
      return undefined;
    } finally {
      signal?.removeEventListener('abort', onAbort);
      this.#places.delete(place);
    }
  }
}
