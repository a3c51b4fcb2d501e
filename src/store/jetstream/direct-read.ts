import { createInbox, type Msg, type Subscription } from '@nats-io/transport-node';
import { RelayError } from '../../errors/index.ts';
import type { Link } from './link.ts';
import { noteHeader } from './notes.ts';

export interface DirectRequest {
  /** First sequence that may be given. */
  readonly seq: number;
  readonly next_by_subj: string;
  readonly batch: number;
  readonly max_bytes?: number;
}

export interface StoredMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** Of the header Khala-Mail. */
  readonly note: string;
}

export interface DirectPage {
  readonly messages: readonly StoredMessage[];
  /** Matching messages after these. */
  readonly pending: number;
}

interface Open {
  readonly messages: StoredMessage[];
  pending: number;
  readonly done: (page: DirectPage | undefined) => void;
}

const attemptMs = 2_500;
const pauseMs = 50;
const notFound = 404;
const endOfBatch = 204;

/**
 * Pages of a stream's messages by subject, from whichever replica answers: a replica may be behind, but what it gives
 * has no gap.
 */
export class DirectReader {
  readonly #link: Link;
  readonly #timeoutMs: number;
  readonly #inbox: string;
  readonly #answers: Subscription;
  readonly #open = new Map<string, Open>();
  #lastId = 0;

  constructor(link: Link, timeoutMs: number) {
    this.#link = link;
    this.#timeoutMs = timeoutMs;
    this.#inbox = createInbox();
    // One subscription for all reads: the token after the inbox tells them apart.
    this.#answers = link.connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#answer(message);
      },
    });
  }

  /** Throws mail-store-failed. */
  async read(stream: string, request: DirectRequest): Promise<DirectPage> {
    const until = performance.now() + this.#timeoutMs;
    for (;;) {
      const page = await this.#attempt(stream, request);
      if (page !== undefined) return page;
      if (this.#link.isClosed || performance.now() > until)
        throw new RelayError('mail-store-failed', { details: { action: 'read', reason: 'NATS does not answer' } });
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
  }

  close(): void {
    this.#answers.unsubscribe();
    for (const { done } of this.#open.values()) done(undefined);
  }

  /** undefined: there was no answer, or none to its end. */
  #attempt(stream: string, request: DirectRequest): Promise<DirectPage | undefined> {
    const id = String(++this.#lastId);
    return new Promise((resolve) => {
      const done = (page: DirectPage | undefined): void => {
        clearTimeout(timer);
        uncut();
        this.#open.delete(id);
        resolve(page);
      };
      const timer = setTimeout(done, attemptMs, undefined);
      const uncut = this.#link.onCut(() => {
        done(undefined);
      });
      this.#open.set(id, { messages: [], pending: 0, done });
      try {
        const reply = `${this.#inbox}.${id}`;
        this.#link.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply });
      } catch {
        done(undefined);
      }
    });
  }

  #answer({ subject, headers, data }: Msg): void {
    const open = this.#open.get(subject.slice(subject.lastIndexOf('.') + 1));
    if (open === undefined || headers === undefined) return;
    const { messages, pending, done } = open;
    if (headers.code === notFound || headers.code === endOfBatch) done({ messages, pending });
    else if (headers.code !== 0) done(undefined);
    else {
      const fields = { sequence: 0, before: 0, subject: '', note: '' };
      for (const [name, [value = '']] of headers)
        if (name === 'Nats-Sequence') fields.sequence = Number(value);
        else if (name === 'Nats-Last-Sequence') fields.before = Number(value);
        else if (name === 'Nats-Num-Pending') open.pending = Number(value);
        else if (name === 'Nats-Subject') fields.subject = value;
        else if (name === noteHeader) fields.note = value;
      const { before, ...message } = fields;
      // A route that breaks may swallow a part of the page: what came before it counts.
      if (before === (messages.at(-1)?.sequence ?? before)) messages.push({ ...message, data });
      else done({ messages, pending });
    }
  }
}
