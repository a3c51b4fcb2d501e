import { setTimeout as sleep } from 'node:timers/promises';
import { MsgHdrsImpl, nuid, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { RelayError } from '../../errors/index.ts';
import type { Link } from './link.ts';

export interface Publication {
  readonly subject: string;
  readonly data?: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export type Published =
  | { readonly sequence: number }
  /** What the headers expect is not so. */
  | { readonly refused: 'conflict' }
  /** There is no room in the stream, the account or on the disk. */
  | { readonly refused: 'full'; readonly reason: string };

interface Waiting {
  readonly publication: Publication;
  readonly until: number;
  readonly resolve: (published: Published) => void;
  readonly reject: (error: unknown) => void;
}

interface PubAck {
  readonly seq?: number;
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string };
}

/** Headers by which JetStream decides whether it takes a message. */
export const expectHeaders = {
  lastSequence: 'Nats-Expected-Last-Subject-Sequence',
  ofSubject: 'Nats-Expected-Last-Subject-Sequence-Subject',
} as const;

// Below that a batch never pays.
const minBatch = 16;
// Weight of the newest measurement.
const newest = 0.2;
const maxBatch = 500;
const maxBatchBytes = 4 * 2 ** 20;
const maxGroups = 4;
const attemptMs = 2_500;
const pauses = { firstMs: 20, mostMs: 500 };
// err_code of JetStream: wrong last sequence; no resources, none left to the account, no storage, the stream's own limit.
const codes = { conflict: new Set([10071, 10164]), full: new Set([10002, 10023, 10047, 10077]) };

/**
 * Publishes to one stream and waits until each message is stored. What arrives while the stream is busy goes out
 * together as an atomic batch: with `sync_interval: always` hundreds share one fsync.
 *
 * A message is sent again until it is answered, so one may be stored twice unless its headers forbid that.
 */
export class Publisher {
  readonly #link: Link;
  readonly #timeoutMs: number;
  readonly #isPatient: boolean;
  #waiting: Waiting[] = [];
  #groups = 0;
  // What it takes, ms: the server stages an atomic batch in files of its own, which costs some fsyncs, and with
  // `sync_interval: always` each single message costs one. So it is measured.
  #costs = { single: 0.1, batch: 15 };
  #scheduled = false;

  /** `isPatient`: throughput before latency. What comes while a group is under way gathers, and goes as a batch. */
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
    const start = performance.now();
    const isWorthIt =
      group.length >= minBatch && (this.#isPatient || group.length * this.#costs.single > this.#costs.batch);
    if (isWorthIt && (await this.#batch(group))) {
      this.#costs.batch += newest * (performance.now() - start - this.#costs.batch);
      return;
    }
    const from = performance.now();
    await Promise.all(
      group.map(({ publication, until, resolve, reject }) => this.#single(publication, until).then(resolve, reject)),
    );
    this.#costs.single += newest * ((performance.now() - from) / group.length - this.#costs.single);
    // Or one slow batch would be the last.
    this.#costs.batch *= 0.999;
  }

  /** Whether the batch was stored. Where it was not, or nobody knows, each message decides for itself. */
  async #batch(group: readonly Waiting[]): Promise<boolean> {
    const id = nuid.next();
    let answer: Promise<Msg> | undefined;
    try {
      group.forEach(({ publication: { subject, data, headers: own } }, at) => {
        const isLast = at === group.length - 1;
        const commit = isLast ? { 'Nats-Batch-Commit': '1' } : {};
        const made = toHeaders({ 'Nats-Batch-Id': id, 'Nats-Batch-Sequence': String(at + 1), ...commit, ...own });
        if (isLast) answer = this.#link.request(subject, data, { headers: made, timeout: 2 * attemptMs });
        else this.#link.publish(subject, data, { headers: made });
      });
      const { seq, error } = parse(await answer);
      if (seq === undefined || error !== undefined) return false;
      group.forEach(({ resolve }, at) => {
        resolve({ sequence: seq - group.length + 1 + at });
      });
      return true;
    } catch {
      return false;
    }
  }

  async #single({ subject, data, headers: own }: Publication, until: number): Promise<Published> {
    for (let pauseMs = pauses.firstMs; ; pauseMs = Math.min(pauses.mostMs, 2 * pauseMs)) {
      const made = toHeaders(own);
      const reason = await this.#link.request(subject, data, { headers: made, timeout: attemptMs }).then(
        (message) => read(parse(message)),
        (error: unknown) => messageOf(error),
      );
      if (typeof reason !== 'string') return reason;
      if (this.#link.isClosed || performance.now() + pauseMs > until)
        throw new RelayError('mail-store-failed', { details: { action: 'write', reason } });
      await sleep(pauseMs);
    }
  }
}

/** Text: why it should be tried again. Throws mail-store-failed for what would be refused again. */
function read({ seq, error }: PubAck): Published | string {
  if (error === undefined) return seq === undefined ? 'the answer has no sequence' : { sequence: seq };
  const { code, err_code: number, description: reason } = error;
  if (codes.conflict.has(number)) return { refused: 'conflict' };
  if (codes.full.has(number)) return { refused: 'full', reason };
  // No leader at the moment, or too much at once.
  if (code === 503) return reason;
  throw new RelayError('mail-store-failed', { details: { action: 'write', reason } });
}

/** The names are ours and right: they need no check. */
function toHeaders(fields: Readonly<Record<string, string>>): MsgHdrs {
  return MsgHdrsImpl.fromRecord(Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, [value]])));
}

function parse(message: Msg | undefined): PubAck {
  return message?.json<PubAck>() ?? {};
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
