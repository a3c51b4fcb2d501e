import { setTimeout as sleep } from 'node:timers/promises';
import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import type { Appended, MailQuota } from '../mail-store.ts';
import type { Mailbox, Mailboxes } from './mailboxes.ts';
import type { MailboxStates } from './mailbox-states.ts';
import { markOf, mailNote, noteHeader, storedAtOf } from './notes.ts';
import { expectHeaders, type Published } from './publisher.ts';
import type { Shards } from './shard.ts';

export interface AppendParts {
  readonly shards: Shards;
  readonly mailboxes: Mailboxes;
  readonly states: MailboxStates;
  readonly quota: Required<Pick<MailQuota, 'maxCount' | 'maxBytes'>>;
  readonly dedupeMs: number;
  readonly now: () => number;
  /** Unlike that of any other process. */
  readonly writer: string;
}

const pauseMs = 10;
const mostAttempts = 200;
// How often a mailbox that seems full is counted again.
const recountMs = 60_000;

/**
 * Appends a message, once by its id. JetStream itself decides that it is new: neither the message nor its tombstone may
 * be in the stream. So it holds between processes, and however often NATS was restarted.
 */
export class Appender {
  readonly #parts: AppendParts;
  readonly #counted = new WeakMap<Mailbox, number>();
  readonly #underWay = new Map<string, Promise<Appended>>();
  #lastAppend = 0;

  constructor(parts: AppendParts) {
    this.#parts = parts;
  }

  /** Throws mailbox-full, mail-store-failed. */
  async append(recipient: Hex, id: Hex, bytes: Uint8Array): Promise<Appended> {
    const key = recipient + id;
    // Within an atomic batch JetStream would not see that two messages are the same.
    for (let first = this.#underWay.get(key); first !== undefined; first = this.#underWay.get(key)) {
      const appended = await first.catch(() => undefined);
      if (appended !== undefined) return { cursor: appended.cursor, duplicate: true };
    }
    const appending = this.#append(recipient, id, bytes).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, appending);
    return appending;
  }

  async #append(recipient: Hex, id: Hex, bytes: Uint8Array): Promise<Appended> {
    const mailbox = await this.#reserve(recipient, bytes.length);
    if (mailbox === undefined) return this.#refuse(recipient, id, bytes.length);
    const { states } = this.#parts;
    try {
      if (!(await states.enlist(recipient, mailbox))) throw full(recipient, 'the store has no room');
      const appended = await this.#store(recipient, id, bytes);
      if (appended.duplicate) change(mailbox, -1, -bytes.length);
      else mailbox.last = Math.max(mailbox.last, Number(appended.cursor));
      return appended;
    } catch (error) {
      change(mailbox, -1, -bytes.length);
      throw error;
    }
  }

  /** Counts what is under way too, or a crowd would get in at once. undefined: there is no room. */
  async #reserve(recipient: Hex, size: number): Promise<Mailbox | undefined> {
    const { mailboxes } = this.#parts;
    const mailbox = await mailboxes.get(recipient);
    if (this.#whyFull(mailbox, size) === undefined) return change(mailbox, 1, size);
    const counted = this.#counted.get(mailbox) ?? performance.now();
    this.#counted.set(mailbox, counted);
    if (performance.now() - counted < recountMs) return undefined;
    const again = await mailboxes.reload(recipient);
    return this.#whyFull(again, size) === undefined ? change(again, 1, size) : undefined;
  }

  #whyFull({ count, bytes }: Mailbox, size: number): string | undefined {
    const { maxCount, maxBytes } = this.#parts.quota;
    if (count >= maxCount) return `it holds ${count} messages, ${maxCount} are kept`;
    if (bytes + size > maxBytes) return `it holds ${bytes} bytes, ${maxBytes} are kept`;
    return undefined;
  }

  /** A message that is there already is no reason to refuse it. */
  async #refuse(recipient: Hex, id: Hex, size: number): Promise<Appended> {
    const known = await this.#find(recipient, id);
    if (known !== undefined && !known.isForgotten) return { cursor: BigInt(known.cursor), duplicate: true };
    const mailbox = await this.#parts.mailboxes.get(recipient);
    throw full(recipient, this.#whyFull(mailbox, size) ?? 'it was until a moment ago');
  }

  async #store(recipient: Hex, id: Hex, bytes: Uint8Array): Promise<Appended> {
    const { now, writer, shards } = this.#parts;
    const { publisher, mail, everyFormOf } = shards.of(recipient);
    const mark = `${writer}-${++this.#lastAppend}`;
    let expected = 0;
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const published: Published = await publisher.publish({
        subject: mail(recipient, id),
        data: bytes,
        headers: {
          [noteHeader]: mailNote(now(), mark),
          [expectHeaders.lastSequence]: String(expected),
          [expectHeaders.ofSubject]: everyFormOf(recipient, id),
        },
      });
      if ('sequence' in published) return { cursor: BigInt(published.sequence), duplicate: false };
      if (published.refused === 'full') throw full(recipient, `the store has no room: ${published.reason}`);
      const known = await this.#find(recipient, id);
      if (known === undefined) await sleep(pauseMs);
      else if (!known.isForgotten) return { cursor: BigInt(known.cursor), duplicate: known.mark !== mark };
      expected = known?.sequence ?? 0;
    }
    throw new RelayError('mail-store-failed', { details: { action: 'write', reason: 'others write the same' } });
  }

  /** The message or its tombstone. */
  async #find(recipient: Hex, id: Hex) {
    const { shards, now, dedupeMs } = this.#parts;
    const { stream, mail, everyFormOf } = shards.of(recipient);
    const found = await shards.leader.message(stream, { last_by_subj: everyFormOf(recipient, id) });
    if (found === undefined) return undefined;
    const { sequence, subject, note } = found;
    const mark = markOf(note);
    if (subject === mail(recipient, id)) return { sequence, mark, cursor: sequence, isForgotten: false };
    return { sequence, mark, cursor: Number(mark), isForgotten: storedAtOf(note) < now() - dedupeMs };
  }
}

function change(mailbox: Mailbox, count: number, bytes: number): Mailbox {
  mailbox.count += count;
  mailbox.bytes += bytes;
  return mailbox;
}

function full(recipient: Hex, reason: string): RelayError {
  return new RelayError('mailbox-full', { details: { recipient, reason } });
}
