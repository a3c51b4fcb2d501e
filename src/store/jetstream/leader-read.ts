import { setTimeout as sleep } from 'node:timers/promises';
import { RelayError } from '../../errors/index.ts';
import type { Link } from './link.ts';
import { noteHeader } from './notes.ts';

export interface LeaderMessage {
  readonly sequence: number;
  readonly subject: string;
  /** Of the header Khala-Mail. */
  readonly note: string;
  readonly data: Uint8Array;
  /** When it was stored, by the clock of NATS; texts are in the order of the times. */
  readonly time: string;
}

type Query =
  | { readonly last_by_subj: string }
  | { readonly seq: number }
  | { readonly seq: number; readonly next_by_subj: string };

interface Answer<T> {
  readonly error?: { readonly code: number; readonly description: string };
  readonly message?: T;
}

interface RawMessage {
  readonly seq: number;
  readonly subject: string;
  readonly hdrs?: string;
  readonly data?: string;
  /** RFC 3339, in UTC; a fraction has no zeros at its end. */
  readonly time?: string;
}

const attemptMs = 2_500;
const pauseMs = 100;
const notFound = 404;

/** What only the leader of a stream may answer: the truth of now. */
export class LeaderReader {
  readonly #link: Link;
  readonly #timeoutMs: number;

  constructor(link: Link, timeoutMs: number) {
    this.#link = link;
    this.#timeoutMs = timeoutMs;
  }

  /** Throws mail-store-failed. */
  async message(stream: string, query: Query): Promise<LeaderMessage | undefined> {
    const { message } = await this.api<Answer<RawMessage>>(`STREAM.MSG.GET.${stream}`, query);
    if (message === undefined) return undefined;
    const { seq: sequence, subject, hdrs = '', data = '', time = '' } = message;
    const note = noteOf(Buffer.from(hdrs, 'base64'));
    return { sequence, subject, note, data: Buffer.from(data, 'base64'), time: time.replace(/Z$/, '') };
  }

  /** Removes the messages of a subject before a sequence; gives how many. Throws mail-store-failed. */
  async purge(stream: string, filter: string, before: number): Promise<number> {
    const request = { filter, seq: before };
    return (await this.api<{ readonly purged?: number }>(`STREAM.PURGE.${stream}`, request)).purged ?? 0;
  }

  /** Removes one message. Throws mail-store-failed. */
  async remove(stream: string, sequence: number): Promise<boolean> {
    // Without overwriting its bytes on disk.
    const request = { seq: sequence, no_erase: true };
    return (await this.api<{ readonly success?: boolean }>(`STREAM.MSG.DELETE.${stream}`, request)).success ?? false;
  }

  /** A request of the JetStream API, again until its leader answers. Throws mail-store-failed. */
  async api<T extends object>(subject: string, request: object): Promise<T> {
    const until = performance.now() + this.#timeoutMs;
    for (;;) {
      const reason = await this.#attempt<T>(subject, request);
      if (typeof reason !== 'string') return reason;
      if (this.#link.isClosed || performance.now() > until)
        throw new RelayError('mail-store-failed', { details: { action: 'ask NATS', reason } });
      await sleep(pauseMs);
    }
  }

  async #attempt<T extends object>(subject: string, request: object): Promise<T | string> {
    try {
      const body = JSON.stringify(request);
      const message = await this.#link.request(`$JS.API.${subject}`, body, { timeout: attemptMs });
      const answer = message.json<T & Answer<never>>();
      return answer.error === undefined || answer.error.code === notFound ? answer : answer.error.description;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }
}

function noteOf(headers: Buffer): string {
  const [, note = ''] = new RegExp(`^${noteHeader}: ?(.*?)\r?$`, 'm').exec(headers.toString('latin1')) ?? [];
  return note;
}
