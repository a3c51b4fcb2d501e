import type { Worker } from 'node:worker_threads';
import { spawnThread } from '../../node/index.ts';
import type { FromThread, ToThread } from './protocol.ts';

/** Batches that one thread has at a time: one that it works on, one that is there when it is done. */
const batchesPerThread = 2;

type Batch = Omit<ToThread, 'batch'>;
/** undefined: the thread died before it was done. */
type Done = (verdicts: Uint8Array | undefined) => void;

interface Thread {
  readonly worker: Worker;
  readonly batches: Map<number, Done>;
}

/** Threads that verify batches. Of the batches of one that dies their owner hears; it is not replaced. */
export class ThreadPool {
  readonly #threads = new Set<Thread>();
  #batches = 0;

  constructor(count: number, module: WebAssembly.Module) {
    for (let i = 0; i < count; i++) this.#start(module);
  }

  get size(): number {
    return this.#threads.size;
  }

  /** Whether there are threads, and none has anything to do. */
  get isIdle(): boolean {
    for (const thread of this.#threads) if (thread.batches.size > 0) return false;
    return this.#threads.size > 0;
  }

  /** Whether a thread has nothing to do. */
  get hasIdle(): boolean {
    return this.#has(1);
  }

  get hasRoom(): boolean {
    return this.#has(batchesPerThread);
  }

  /** `packed` is handed over. */
  run(batch: Batch, done: Done): void {
    const [thread] = [...this.#threads].sort((a, b) => a.batches.size - b.batches.size);
    if (thread === undefined) {
      done(undefined);
      return;
    }
    const message: ToThread = { ...batch, batch: this.#batches++ };
    thread.batches.set(message.batch, done);
    thread.worker.ref();
    thread.worker.postMessage(message, [message.packed.buffer]);
  }

  async end(): Promise<void> {
    await Promise.all([...this.#threads].map(({ worker }) => worker.terminate()));
  }

  #has(batches: number): boolean {
    for (const thread of this.#threads) if (thread.batches.size < batches) return true;
    return false;
  }

  #start(module: WebAssembly.Module): void {
    const worker = spawnThread('khala-relay verifier', new URL('./thread', import.meta.url), { workerData: module });
    const thread: Thread = { worker, batches: new Map() };
    worker.on('message', ({ batch, verdicts }: FromThread) => {
      const done = thread.batches.get(batch);
      thread.batches.delete(batch);
      if (thread.batches.size === 0) worker.unref();
      done?.(verdicts);
    });
    const died = (): void => {
      if (!this.#threads.delete(thread)) return;
      for (const done of thread.batches.values()) done(undefined);
    };
    worker.on('error', died);
    worker.on('exit', died);
    // An idle thread does not keep the process running. Listening would undo it.
    worker.unref();
    this.#threads.add(thread);
  }
}
