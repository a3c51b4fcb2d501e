import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream, type JetStreamClient } from '@nats-io/jetstream';
import { asRelayError, RelayError } from '../../errors/index.ts';
import { idTokenOf } from './layout.ts';
import type { Link } from './link.ts';
import { isAnswerOf, keyHeader, noteHeader, senderOf, storedAtOf } from './notes.ts';

/** A message without its bytes. */
export interface MailHeader {
  readonly sequence: number;
  /** Its id, as subjects have it. */
  readonly idToken: string;
  /** Of its bytes. */
  readonly size: number;
  /** Whose room it takes; empty: nobody's. */
  readonly sender: string;
  /** Whether the mailboxes that hold such messages of its sender are counted. */
  readonly isAnswer: boolean;
  /** Unix time, ms. */
  readonly storedAt: number;
}

const sizeHeader = 'Nats-Msg-Size';
const pageCount = 1_000;
const pageMs = 5_000;
const pauseMs = 100;

/** Lists messages by their headers: the bodies stay on the server. */
export class HeaderScan {
  readonly #link: Link;
  readonly #client: JetStreamClient;
  readonly #timeoutMs: number;

  constructor(link: Link, timeoutMs: number) {
    this.#link = link;
    this.#client = jetstream(link.connection);
    this.#timeoutMs = timeoutMs;
  }

  /** All of a subject up to a sequence, oldest first. Throws mail-store-failed. */
  async list(stream: string, subject: string, upTo = Number.MAX_SAFE_INTEGER): Promise<MailHeader[]> {
    const until = performance.now() + this.#timeoutMs;
    for (;;) {
      try {
        return await this.#link.untilCut(() => this.#list(stream, subject, upTo));
      } catch (error) {
        if (this.#link.isClosed || performance.now() > until)
          throw asRelayError(error, 'mail-store-failed', { action: 'list a mailbox' });
        await sleep(pauseMs);
      }
    }
  }

  async #list(stream: string, subject: string, upTo: number): Promise<MailHeader[]> {
    const found: MailHeader[] = [];
    const consumer = await this.#client.consumers.get(stream, { filter_subjects: [subject], headers_only: true });
    try {
      for (let pending = (await consumer.info(true)).num_pending; pending > 0;) {
        const page = await consumer.fetch({ max_messages: Math.min(pending, pageCount), expires: pageMs });
        const before = found.length;
        for await (const { seq: sequence, headers, info } of page) {
          if (sequence > upTo) return found;
          pending = info.pending;
          const size = Number(headers?.get(sizeHeader));
          const idToken = idTokenOf(headers?.get(keyHeader) ?? '');
          const note = headers?.get(noteHeader) ?? '';
          found.push({ sequence, idToken, size, ...sentBy(note), storedAt: storedAtOf(note) });
        }
        if (found.length === before)
          throw new RelayError('mail-store-failed', { details: { action: 'list a mailbox', reason: 'it is stuck' } });
      }
    } finally {
      // Else the server ends it some minutes later.
      void consumer.delete().catch(() => undefined);
    }
    return found;
  }
}

/** What the note of a message says of its sender. */
export function sentBy(note: string): Pick<MailHeader, 'sender' | 'isAnswer'> {
  return { sender: senderOf(note), isAnswer: isAnswerOf(note) };
}
