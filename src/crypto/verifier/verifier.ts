import { availableParallelism } from 'node:os';
import { checkValue, RelayError } from '../../errors/index.ts';
import type { SignedMessage } from '../backend.ts';
import { compileBatchModule } from '../batch-module.ts';
import { BatchSr25519, hasLengths, packSigned } from '../sr25519.ts';
import { Suspects } from './suspects.ts';
import { ThreadPool } from './thread-pool.ts';
import { verifyPacked } from './verify-packed.ts';

export interface VerifierOptions {
  /** Threads that verify, 64 at most; 0: the caller's own. Default: as many as the machine runs at once, or 64. */
  readonly threads?: number;
  /** Signatures that are verified together, at most. Default 256. */
  readonly maxBatch?: number;
  /** Signatures that may wait or be under way; more are refused. The second half is for lanes with less than an eighth. Default 8192. */
  readonly maxQueue?: number;
  /** Default Date.now. */
  readonly now?: () => number;
}

export interface VerifyRequest extends SignedMessage {
  /**
   * Who sent it, as an address: a bad signature keeps what comes from there out of others' batches for a while, and no lane
   * fills the queue for the others.
   */
  readonly lane?: unknown;
}

/** Verifies sr25519 signatures (context `substrate`) in batches of what came meanwhile: none waits for others to come. */
export interface Verifier extends AsyncDisposable {
  /** Signatures that wait or are under way. */
  readonly pending: number;
  /** False for anything but a valid signature. Throws verifier-busy, verifier-closed. */
  verify(request: VerifyRequest): Promise<boolean>;
  /** Finishes what was taken. Idempotent. */
  close(): Promise<void>;
}

interface Waiting extends VerifyRequest {
  readonly resolve: (isValid: boolean) => void;
}

const mostThreads = 64;
/** Of the queue: what any lane may fill, and what one has of the rest. */
const sharedPart = 1 / 2;
const lanePart = 1 / 8;
/** Less than this is not worth splitting between threads. */
const leastShare = 16;
/** So many make a batch that a thread finds when it is done with another. */
const worthQueueing = 64;
/** Verified on the caller's thread before others get their turn. */
const batchInProcess = 32;
/** So few are verified sooner than another thread is woken. */
const notWorthHanding = 16;
/** Bytes of messages in one batch, at most; a longer message makes a batch of its own. */
const maxBatchBytes = 1 << 20;

/** Throws bad-value. */
export async function createVerifier(options: VerifierOptions = {}): Promise<Verifier> {
  const { threads = 0 } = options;
  checkValue('threads', Number.isInteger(threads) && threads >= 0 && threads <= mostThreads, `0 to ${mostThreads}`);
  const module = await compileBatchModule();
  return new BatchVerifier(module, options);
}

class BatchVerifier implements Verifier {
  readonly #sr25519: BatchSr25519;
  readonly #threads: ThreadPool;
  readonly #maxBatch: number;
  readonly #maxQueue: number;
  readonly #suspects: Suspects;
  /** Verified together. */
  #together: Waiting[] = [];
  /** Of suspects: verified one by one. */
  #apart: Waiting[] = [];
  #pending = 0;
  readonly #pendingOf = new Map<unknown, number>();
  #isScheduled = false;
  #closing: Promise<void> | undefined;
  #onIdle: () => void = () => undefined;

  constructor(
    module: WebAssembly.Module,
    {
      threads = Math.min(availableParallelism(), mostThreads),
      maxBatch = 256,
      maxQueue = 8_192,
      now = Date.now,
    }: VerifierOptions,
  ) {
    this.#sr25519 = new BatchSr25519(module);
    this.#threads = new ThreadPool(threads, module);
    this.#maxBatch = maxBatch;
    this.#maxQueue = maxQueue;
    this.#suspects = new Suspects(now);
  }

  get pending(): number {
    return this.#pending;
  }

  verify(request: VerifyRequest): Promise<boolean> {
    if (this.#closing !== undefined) return Promise.reject(new RelayError('verifier-closed'));
    if (this.#pending >= this.#maxQueue || this.#isOverShare(request.lane))
      return Promise.reject(new RelayError('verifier-busy', { details: { limit: this.#maxQueue } }));
    if (!hasLengths(request)) return Promise.resolve(false);
    const { publicKey, message, signature, lane } = request;
    return new Promise((resolve) => {
      this.#pending += 1;
      if (lane !== undefined) this.#pendingOf.set(lane, (this.#pendingOf.get(lane) ?? 0) + 1);
      const queue = this.#suspects.has(lane) ? this.#apart : this.#together;
      queue.push({ publicKey, message, signature, lane, resolve });
      this.#schedule();
    });
  }

  /** While half of the queue is free, any lane may take it. */
  #isOverShare(lane: unknown): boolean {
    if (lane === undefined || this.#pending < this.#maxQueue * sharedPart) return false;
    return (this.#pendingOf.get(lane) ?? 0) >= this.#maxQueue * lanePart;
  }

  #leave(lane: unknown): void {
    const left = (this.#pendingOf.get(lane) ?? 1) - 1;
    if (left > 0) this.#pendingOf.set(lane, left);
    else this.#pendingOf.delete(lane);
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      if (this.#pending > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve));
      await this.#threads.end();
    })();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** At the end of this turn of the event loop: what came with one read of a socket goes together. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#run();
    });
  }

  #run(): void {
    if (this.#threads.isIdle && this.#waiting <= notWorthHanding) {
      const batch = this.#next(notWorthHanding);
      if (batch === undefined) return;
      this.#settle(batch.items, this.#verifyHere(batch.items, batch.apart));
      if (this.#waiting > 0) this.#schedule();
      return;
    }
    while (this.#threads.size > 0 && this.#isWorthwhile()) {
      const batch = this.#next(this.#share());
      if (batch === undefined) return;
      const { items, apart } = batch;
      this.#threads.run({ packed: packSigned(items), count: items.length, apart }, (verdicts) => {
        this.#settle(items, verdicts ?? this.#verifyHere(items, apart));
        this.#run();
      });
    }
    if (this.#threads.size > 0) return;
    const batch = this.#next(Math.min(batchInProcess, this.#maxBatch));
    if (batch === undefined) return;
    this.#settle(batch.items, this.#verifyHere(batch.items, batch.apart));
    this.#schedule();
  }

  get #waiting(): number {
    return this.#together.length + this.#apart.length;
  }

  /** A batch that would only wait behind another waits here, where it grows, unless it is large already. */
  #isWorthwhile(): boolean {
    return this.#threads.hasIdle || (this.#waiting >= worthQueueing && this.#threads.hasRoom);
  }

  /** So many that each thread has as much to do. */
  #share(): number {
    return Math.min(this.#maxBatch, Math.max(leastShare, Math.ceil(this.#waiting / this.#threads.size)));
  }

  /** Suspects have their turn after each batch of the others, so that neither starves. */
  #next(most: number): { readonly items: Waiting[]; readonly apart: boolean } | undefined {
    const apart = this.#together.length === 0 || (this.#lastWasTogether && this.#apart.length > 0);
    const queue = apart ? this.#apart : this.#together;
    if (queue.length === 0) return undefined;
    this.#lastWasTogether = !apart;
    let bytes = 0;
    let count = 0;
    for (const { message } of queue) {
      bytes += message.length;
      if (count === most || (count > 0 && bytes > maxBatchBytes)) break;
      count += 1;
    }
    return { items: queue.splice(0, count), apart };
  }

  #lastWasTogether = false;

  #verifyHere(items: readonly Waiting[], apart: boolean): Uint8Array {
    return verifyPacked(this.#sr25519, { packed: packSigned(items), count: items.length, apart });
  }

  #settle(items: readonly Waiting[], verdicts: Uint8Array): void {
    this.#pending -= items.length;
    items.forEach(({ lane, resolve }, i) => {
      const isValid = verdicts[i] === 1;
      if (!isValid) this.#suspects.add(lane);
      this.#leave(lane);
      resolve(isValid);
    });
    if (this.#pending === 0) this.#onIdle();
  }
}
