import { setTimeout as sleep } from 'node:timers/promises';
import type { Msg } from '@nats-io/transport-node';
import { RelayError } from '../../errors/index.ts';
import type { Link } from './link.ts';
import { keyHeader, noteHeader } from './notes.ts';

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
  /** Of the header Nats-Msg-Id. */
  readonly key: string;
}

export interface DirectPage {
  readonly messages: readonly StoredMessage[];
  /** Matching messages after these. */
  readonly pending: number;
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

  constructor(link: Link, timeoutMs: number) {
    this.#link = link;
    this.#timeoutMs = timeoutMs;
  }

  /** Throws mail-store-failed. */
  async read(stream: string, request: DirectRequest): Promise<DirectPage> {
    const until = performance.now() + this.#timeoutMs;
    for (;;) {
      const page = await this.#attempt(stream, request);
      if (page !== undefined) return page;
      if (this.#link.isClosed || performance.now() > until)
        throw new RelayError('mail-store-failed', { details: { action: 'read', reason: 'NATS does not answer' } });
      await sleep(pauseMs);
    }
  }

  /** undefined: there was no answer, or none to its end. */
  #attempt(stream: string, request: DirectRequest): Promise<DirectPage | undefined> {
    return new Promise((resolve) => {
      const done = (page: DirectPage | undefined): void => {
        clearTimeout(timer);
        stop();
        resolve(page);
      };
      const page = new Page();
      const { reply, stop } = this.#link.listen((message) => {
        const isWhole = message === undefined ? false : page.take(message);
        if (isWhole !== undefined) done(isWhole ? page : undefined);
      });
      const timer = setTimeout(done, attemptMs, undefined);
      try {
        this.#link.publish(`$JS.API.DIRECT.GET.${stream}`, JSON.stringify(request), { reply });
      } catch {
        // The link is down; the caller tries again as long as it may.
        done(undefined);
      }
    });
  }
}

/** What has come of a page. */
class Page implements DirectPage {
  readonly messages: StoredMessage[] = [];
  pending = 0;

  /** true: it is whole; false: it is worth nothing; undefined: more is to come. */
  take({ headers, data }: Msg): boolean | undefined {
    if (headers === undefined) return undefined;
    if (headers.code === notFound || headers.code === endOfBatch) return true;
    if (headers.code !== 0) return false;
    const message = { sequence: 0, subject: '', data, note: '', key: '' };
    let before = 0;
    for (const [name, [value = '']] of headers)
      if (name === 'Nats-Sequence') message.sequence = Number(value);
      else if (name === 'Nats-Last-Sequence') before = Number(value);
      else if (name === 'Nats-Num-Pending') this.pending = Number(value);
      else if (name === 'Nats-Subject') message.subject = value;
      else if (name === noteHeader) message.note = value;
      else if (name === keyHeader) message.key = value;
    // A route that breaks may swallow a part of the page: what came before it counts. Before the first there is none.
    if (before !== (this.messages.at(-1)?.sequence ?? 0)) return this.messages.length > 0;
    this.messages.push(message);
    return undefined;
  }
}
