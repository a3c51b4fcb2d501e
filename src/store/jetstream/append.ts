import { setTimeout as sleep } from 'node:timers/promises';
import type { Hex } from '../../codec/index.ts';
import { RelayError } from '../../errors/index.ts';
import { whyFull, type MailQuota, type Origin } from '../mail-quota.ts';
import type { Appended } from '../mail-store.ts';
import { changeMailbox, type Mailbox, type Mailboxes } from './mailboxes.ts';
import type { MailboxStates } from './mailbox-states.ts';
import { token } from './layout.ts';
import { keyHeader, mailNote, markOf, noteHeader, storedAtOf } from './notes.ts';
import { publishAtomically } from './atomic-batch.ts';
import { codes, expectHeaders, type Published } from './publication.ts';
import type { ReplyBoxes } from './reply-boxes.ts';
import type { Shards } from './shard.ts';
import { senderToken } from './shares.ts';
import type { StrangerRoom } from './stranger-room.ts';
import { Turns } from './turns.ts';

export interface AppendParts {
  readonly shards: Shards;
  readonly mailboxes: Mailboxes;
  readonly states: MailboxStates;
  readonly quota: Required<MailQuota>;
  readonly strangerRoom: StrangerRoom;
  readonly replyBoxes: ReplyBoxes;
  readonly dedupeMs: number;
  readonly now: () => number;
  /** Unlike that of any other process. */
  readonly writer: string;
}

const pauseMs = 10;
const mostAttempts = 200;
// How often a mailbox that seems full is counted again.
const recountMs = 60_000;
// NATS has 50 batches open for a stream at a time, of all processes, and answers nothing to those beyond.
const askedAtOnce = 8;
const neverASequence = String(2n ** 64n - 1n);

interface Conditions {
  readonly idToken: string;
  /** Sequence of an earlier message with the id that is known no more; 0: there was none. */
  readonly anew: number;
  /** Sequence of its tombstone. */
  readonly expected: number;
}

/** What is to be appended. */
interface Letter {
  readonly recipient: Hex;
  readonly id: Hex;
  readonly bytes: Uint8Array;
  readonly origin: Origin | undefined;
  /** Whose room it takes; empty: nobody's. */
  readonly sender: string;
}

interface Known {
  readonly sequence: number;
  readonly appended?: Appended;
}

/**
 * Appends a message, once by its id. JetStream itself decides that it is new: it knows the keys of what is in the stream,
 * and there may be no tombstone. So it holds between processes, and however often NATS was restarted.
 */
export class Appender {
  readonly #parts: AppendParts;
  readonly #counted = new WeakMap<Mailbox, number>();
  readonly #underWay = new Map<string, Promise<Appended>>();
  readonly #asking = new Turns(askedAtOnce);
  #lastAppend = 0;

  constructor(parts: AppendParts) {
    this.#parts = parts;
  }

  /** Throws mailbox-full, reply-boxes-full, mail-store-failed. */
  async append(recipient: Hex, id: Hex, bytes: Uint8Array, origin?: Origin): Promise<Appended> {
    const key = recipient + id;
    // Within an atomic batch JetStream would not see that two messages are the same.
    for (let first = this.#underWay.get(key); first !== undefined; first = this.#underWay.get(key)) {
      // Why it failed its own caller is told; this one tries for itself.
      const appended = await first.catch(() => undefined);
      if (appended !== undefined) return { cursor: appended.cursor, duplicate: true };
    }
    const sender = origin === undefined ? '' : senderToken(origin.sender);
    const letter = { recipient, id, bytes, origin, sender };
    const appending = this.#append(letter).finally(() => this.#underWay.delete(key));
    this.#underWay.set(key, appending);
    return appending;
  }

  /** Whether the message was in the mailbox, not longer ago than ids are known, and is there no more. Throws mail-store-failed. */
  async isGone(recipient: Hex, id: Hex): Promise<boolean> {
    return (await this.#tombstone(recipient, token(id)))?.appended !== undefined;
  }

  async #append(letter: Letter): Promise<Appended> {
    const { recipient, bytes, origin, sender } = letter;
    const { states, shards, strangerRoom } = this.#parts;
    const reason =
      origin?.isKnown === false ? await strangerRoom.whyFull(shards.of(recipient), bytes.length) : undefined;
    const mailbox = reason === undefined ? await this.#reserve(letter) : undefined;
    if (mailbox === undefined) return this.#refuse(letter, reason);
    const taken = { sender, count: -1, bytes: -bytes.length };
    try {
      if (!(await states.enlist(recipient, mailbox))) throw full(recipient, 'the store has no room');
      if (origin?.maxBoxes !== undefined) await this.#openBox(letter, mailbox, origin.maxBoxes);
      const appended = await this.#store(letter);
      if (appended.duplicate) changeMailbox(mailbox, taken);
      else mailbox.last = Math.max(mailbox.last, Number(appended.cursor));
      return appended;
    } catch (error) {
      changeMailbox(mailbox, taken);
      throw error;
    }
  }

  async #openBox({ recipient, id, sender, origin }: Letter, mailbox: Mailbox, max: number): Promise<void> {
    const opened = await this.#parts.replyBoxes.open(recipient, mailbox, {
      ...{ sender, most: max },
      isStored: () => this.#isKnown(recipient, id),
    });
    if (opened === 'no-room') throw full(recipient, 'the store has no room');
    if (opened === 'too-many') throw new RelayError('reply-boxes-full', { details: { sender: origin?.sender, max } });
  }

  /** Counts what is under way too, or a crowd would get in at once. undefined: there is no room. */
  async #reserve(letter: Letter): Promise<Mailbox | undefined> {
    const { mailboxes } = this.#parts;
    const { recipient, bytes, sender } = letter;
    const added = { sender, count: 1, bytes: bytes.length };
    const mailbox = await mailboxes.get(recipient);
    if (this.#whyFull(mailbox, letter) === undefined) {
      changeMailbox(mailbox, added);
      return mailbox;
    }
    const counted = this.#counted.get(mailbox) ?? performance.now();
    this.#counted.set(mailbox, counted);
    if (performance.now() - counted < recountMs) return undefined;
    // One of a crowd counts.
    this.#counted.set(mailbox, performance.now());
    const again = await mailboxes.reload(recipient);
    if (this.#whyFull(again, letter) !== undefined) return undefined;
    changeMailbox(again, added);
    return again;
  }

  #whyFull(mailbox: Mailbox, { bytes, origin, sender }: Letter): string | undefined {
    return whyFull(this.#parts.quota, mailbox, bytes.length, origin, mailbox.shares.of(sender));
  }

  /** A message that is there already is no reason to refuse it. */
  async #refuse(letter: Letter, reason: string | undefined): Promise<Appended> {
    const { recipient, id } = letter;
    if (await this.#isKnown(recipient, id)) return this.#store(letter);
    const mailbox = await this.#parts.mailboxes.get(recipient);
    throw full(recipient, reason ?? this.#whyFull(mailbox, letter) ?? 'it was until a moment ago');
  }

  async #store({ recipient, id, bytes, sender, origin }: Letter): Promise<Appended> {
    const { now, writer, shards } = this.#parts;
    const { publisher, mail: subject } = shards.of(recipient);
    const isAnswer = origin?.maxBoxes !== undefined;
    const idToken = token(id);
    const mark = `${writer}-${++this.#lastAppend}`;
    const conditions = { idToken, anew: 0, expected: 0 };
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const published: Published = await publisher.publish({
        subject,
        data: bytes,
        headers: { [noteHeader]: mailNote(now(), mark, sender, isAnswer), ...this.#conditions(recipient, conditions) },
      });
      if ('sequence' in published && !published.isDuplicate)
        return { cursor: BigInt(published.sequence), duplicate: false };
      if ('refused' in published && published.refused === 'full')
        throw full(recipient, `the store has no room: ${published.reason}`);
      const known =
        'sequence' in published
          ? await this.#at(recipient, published.sequence, mark)
          : await this.#tombstone(recipient, idToken);
      if (known?.appended !== undefined) return known.appended;
      if ('sequence' in published) conditions.anew = published.sequence;
      else if (known === undefined) await sleep(pauseMs);
      else conditions.expected = known.sequence;
    }
    throw new RelayError('mail-store-failed', { details: { action: 'write', reason: 'others write the same' } });
  }

  /** Asks without storing: of an atomic batch with a message that can not be taken nothing is. */
  async #isKnown(recipient: Hex, id: Hex): Promise<boolean> {
    const idToken = token(id);
    const known = await this.#tombstone(recipient, idToken);
    if (known?.appended !== undefined) return true;
    const { link, mail: subject } = this.#parts.shards.of(recipient);
    const conditions = { idToken, anew: 0, expected: known?.sequence ?? 0 };
    const question = [
      { subject, headers: this.#conditions(recipient, conditions) },
      { subject, headers: { [expectHeaders.lastSequence]: neverASequence } },
    ];
    const { error } = await this.#asking.run(() => publishAtomically(link, question));
    return error?.err_code === codes.batchHasDuplicate;
  }

  /** Of a message that JetStream has taken before; undefined: it is gone. */
  async #at(recipient: Hex, sequence: number, mark: string): Promise<Known | undefined> {
    const { stream, mail } = this.#parts.shards.of(recipient);
    const found = await this.#parts.shards.leader.message(stream, { seq: sequence });
    if (found?.subject !== mail) return undefined;
    return { sequence, appended: { cursor: BigInt(sequence), duplicate: markOf(found.note) !== mark } };
  }

  /** undefined: there is none. Without `appended` the id is to be known no more. */
  async #tombstone(recipient: Hex, idToken: string): Promise<Known | undefined> {
    const { shards, now, dedupeMs } = this.#parts;
    const { stream, tombstone } = shards.of(recipient);
    const found = await shards.leader.message(stream, { last_by_subj: tombstone(idToken) });
    if (found === undefined) return undefined;
    const { sequence, note } = found;
    if (storedAtOf(note) < now() - dedupeMs) return { sequence };
    return { sequence, appended: { cursor: BigInt(markOf(note)), duplicate: true } };
  }

  /** Neither the message may be in the stream nor a tombstone after `expected`. */
  #conditions(recipient: Hex, { idToken, anew, expected }: Conditions): Record<string, string> {
    const { key, tombstone } = this.#parts.shards.of(recipient);
    return {
      [keyHeader]: key(idToken, anew),
      [expectHeaders.lastSequence]: String(expected),
      [expectHeaders.ofSubject]: tombstone(idToken),
    };
  }
}

function full(recipient: Hex, reason: string): RelayError {
  return new RelayError('mailbox-full', { details: { recipient, reason } });
}
