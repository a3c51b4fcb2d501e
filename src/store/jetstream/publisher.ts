import { setTimeout as sleep } from 'node:timers/promises';
import { RelayError } from '../../errors/index.ts';
import { publishAtomically } from './atomic-batch.ts';
import { publishFast } from './fast-batch.ts';
import type { Link } from './link.ts';
import { attemptMs, parseAck, readAck, toHeaders, type Publication, type Published } from './publication.ts';

interface Waiting {
  readonly publication: Publication;
  readonly until: number;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: unknown) => void;
}

type Way = 'single' | 'atomic' | 'fast';

// Below that an atomic batch never pays.
const minAtomic = 16;
// What is staged costs the server several times the work: only where the disk is waited for it pays all the same.
const stagingPrice = 4;
// Weight of the newest measurement.
const newest = 0.2;
const maxBatch = 500;
const maxBatchBytes = 4 * 2 ** 20;
const maxGroups = 4;
const pauses = { firstMs: 20, mostMs: 500 };

/**
 * Publishes to one stream and waits until each message is stored. What arrives while the stream is busy goes out
 * together, in the way that is the quickest there.
 *
 * A message is sent again until it is answered, so one may be stored twice unless its headers forbid that.
 */
export class Publisher {
  readonly #link: Link;
  readonly #timeoutMs: number;
  readonly #isPatient: boolean;
  #waiting: Waiting[] = [];
  #groups = 0;
  // What it takes, ms: a single message and one of a fast batch, which with `sync_interval: always` cost an fsync; a whole
  // atomic batch, which the server stages in files of its own at the price of some fsyncs. So it is measured.
  readonly #costs: Record<Way, number> = { single: 0.1, atomic: 15, fast: 0.02 };
  #scheduled = false;

  /**
   * `isPatient`: throughput before latency. What comes while a group is under way gathers, and the sequences that are
   * told mean nothing.
   */
  constructor(link: Link, timeoutMs: number, isPatient = false) {
    this.#link = link;
    this.#timeoutMs = timeoutMs;
    this.#isPatient = isPatient;
  }

  /** Throws mail-store-failed: it may be stored all the same, now or later. */
  publish(publication: Publication): Promise<Published> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ publication, until: performance.now() + this.#timeoutMs, resolve, reject });
      if (this.#scheduled) return;
      this.#scheduled = true;
      // Callers of one turn of the event loop share a group.
      queueMicrotask(() => {
        this.#scheduled = false;
        this.#fill();
      });
    });
  }

  #fill(): void {
    while (this.#waiting.length > 0 && this.#groups < (this.#isPatient ? 1 : maxGroups)) {
      this.#groups += 1;
      void this.#run(this.#take()).then(() => {
        this.#groups -= 1;
        this.#fill();
      });
    }
  }

  #take(): readonly Waiting[] {
    let bytes = 0;
    const tooMany = this.#waiting.findIndex(
      ({ publication: { data } }, at) => at >= maxBatch || (bytes += data?.length ?? 0) > maxBatchBytes,
    );
    return this.#waiting.splice(0, tooMany === -1 ? this.#waiting.length : Math.max(1, tooMany));
  }

  /** Settles them all; never rejects. */
  async #run(group: readonly Waiting[]): Promise<void> {
    const way = this.#quickest(group.length);
    const start = performance.now();
    const isDone = way === 'single' ? false : await this.#batch(way, group);
    const from = performance.now();
    if (isDone) {
      this.#measured(way, group.length, from - start);
      return;
    }
    await Promise.all(
      group.map(({ publication, until, resolve, reject }) => this.#single(publication, until).then(resolve, reject)),
    );
    this.#measured('single', group.length, performance.now() - from);
  }

  #quickest(count: number): Way {
    const { single, atomic, fast } = this.#costs;
    const oneByOne = count * (this.#isPatient ? fast : single);
    if (count >= minAtomic && atomic * stagingPrice < oneByOne) return 'atomic';
    return this.#isPatient && count > 1 ? 'fast' : 'single';
  }

  #measured(way: Way, count: number, ms: number): void {
    // Of a few it is the way there and back.
    if (count < minAtomic) return;
    this.#costs[way] += newest * ((way === 'atomic' ? ms : ms / count) - this.#costs[way]);
    // Or one slow batch would be the last.
    for (const other of ['atomic', 'fast'] as const) if (other !== way) this.#costs[other] *= 0.999;
  }

  /** Whether the batch was stored. Where it was not, or nobody knows, each message decides for itself. */
  async #batch(way: 'atomic' | 'fast', group: readonly Waiting[]): Promise<boolean> {
    const publications = group.map(({ publication }) => publication);
    try {
      if (way === 'fast') {
        if (!(await publishFast(this.#link, publications))) return false;
        for (const { resolve } of group) resolve({ sequence: 0, isDuplicate: false });
        return true;
      }
      const { seq, error } = await publishAtomically(this.#link, publications);
      if (seq === undefined || error !== undefined) return false;
      group.forEach(({ resolve }, at) => {
        resolve({ sequence: seq - group.length + 1 + at, isDuplicate: false });
      });
      return true;
    } catch {
      // There was no answer: each message asks again, and says why when it gets none.
      return false;
    }
  }

  async #single({ subject, data, headers: own }: Publication, until: number): Promise<Published> {
    for (let pauseMs = pauses.firstMs; ; pauseMs = Math.min(pauses.mostMs, 2 * pauseMs)) {
      const made = toHeaders(own);
      const reason = await this.#link.request(subject, data, { headers: made, timeout: attemptMs }).then(
        (message) => readAck(parseAck(message)),
        (error: unknown) => messageOf(error),
      );
      if (typeof reason !== 'string') return reason;
      if (this.#link.isClosed || performance.now() + pauseMs > until)
        throw new RelayError('mail-store-failed', { details: { action: 'write', reason } });
      await sleep(pauseMs);
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
