import type { Hex } from '../../codec/index.ts';
import { recipientOf } from './layout.ts';
import type { Mailbox, Mailboxes } from './mailboxes.ts';
import type { Shard, Shards } from './shard.ts';

export interface ReplyBoxesParts {
  readonly shards: Shards;
  readonly mailboxes: Pick<Mailboxes, 'peek'>;
  readonly retentionMs: number;
  /** Removes the answers of a sender from a mailbox. */
  readonly drop: (recipient: Hex, sender: string) => Promise<void>;
}

/** What is known of a sender's boxes: as counted, and those that were opened here since. */
interface Count {
  counted: number;
  added: number;
  at: number;
}

// What other processes open is seen after this.
const maxAgeMs = 10_000;
// One that has as many as it may is counted again: some may have been emptied.
const fullMaxAgeMs = 500;
const maxSenders = 10_000;

/**
 * The mailboxes that hold answers of a sender, of which it has so many at most: then its answers in the oldest go, since whoever
 * asks chooses the mailbox and may never look into it. A mark in the stream of each tells, which goes when the last of its
 * answers there is gone, or by itself in the end. Several processes may each let through what comes
 * until they count again.
 */
export class ReplyBoxes {
  readonly #parts: ReplyBoxesParts;
  readonly #counts = new Map<string, Promise<Count>>();
  /** Of senders that have as many as they may: one after another makes room. */
  readonly #turns = new Map<string, Promise<boolean>>();
  /** Senders whose mark is known to be there. */
  readonly #open = new WeakMap<Mailbox, Map<string, Promise<Opened>>>();

  constructor(parts: ReplyBoxesParts) {
    this.#parts = parts;
  }

  /** Before an answer is stored. Throws mail-store-failed. */
  async open(recipient: Hex, mailbox: Mailbox, answer: Answer): Promise<Opened> {
    const { sender } = answer;
    const known = this.#open.get(mailbox) ?? new Map<string, Promise<Opened>>();
    this.#open.set(mailbox, known);
    const before = known.get(sender);
    // Of the first one its share counts already.
    if (before !== undefined && mailbox.shares.of(sender).count > 1 && (await before) === 'open') return 'open';
    const opening = this.#mark(recipient, answer);
    known.set(sender, opening);
    opening.catch(() => known.delete(sender));
    return opening;
  }

  /** After answers up to a sequence were removed: of these senders none is left. Throws mail-store-failed. */
  async close(recipient: Hex, senders: readonly string[], upTo: number): Promise<void> {
    const { stream, replyBox } = this.#parts.shards.of(recipient);
    await Promise.all(senders.map((sender) => this.#unmark(sender, stream, replyBox(sender), upTo)));
  }

  async #mark(recipient: Hex, { sender, most, isStored }: Answer): Promise<Opened> {
    const { shards, retentionMs } = this.#parts;
    const { stream, publisher, replyBox } = shards.of(recipient);
    const subject = replyBox(sender);
    const count = await this.#count(sender, maxAgeMs);
    if (count.counted + count.added >= most) {
      const isNew = (): Promise<boolean> =>
        shards.leader.message(stream, { last_by_subj: subject }).then((mark) => mark === undefined);
      if (await isNew()) {
        if (await isStored()) return 'not-needed';
        if (!(await this.#takeTurn(sender, most))) return 'too-many';
      }
    } else count.added += 1;
    const published = await publisher.publish({
      subject,
      headers: { 'Nats-Rollup': 'sub', 'Nats-TTL': `${Math.ceil((2 * retentionMs) / 1_000)}s` },
    });
    return 'refused' in published ? 'no-room' : 'open';
  }

  async #unmark(sender: string, stream: string, subject: string, upTo: number): Promise<void> {
    const gone = await this.#parts.shards.leader.purge(stream, subject, upTo + 1);
    const count = await this.#counts.get(sender);
    if (count !== undefined) count.counted -= gone;
  }

  #takeTurn(sender: string, most: number): Promise<boolean> {
    const before = this.#turns.get(sender) ?? Promise.resolve(true);
    const turn = before
      .catch(() => false)
      .then(() => this.#makeRoom(sender, most))
      .finally(() => {
        if (this.#turns.get(sender) === turn) this.#turns.delete(sender);
      });
    this.#turns.set(sender, turn);
    return turn;
  }

  /** Takes the room that it made. False: there was none to make. */
  async #makeRoom(sender: string, most: number): Promise<boolean> {
    for (;;) {
      const count = await this.#count(sender, fullMaxAgeMs);
      if (count.counted + count.added < most) {
        count.added += 1;
        return true;
      }
      if (!(await this.#dropOldest(sender))) return false;
    }
  }

  async #dropOldest(sender: string): Promise<boolean> {
    const { shards, mailboxes, drop } = this.#parts;
    const marks = await Promise.all(
      shards.all.map(async ({ stream, replyBoxesOf }) => {
        const mark = await shards.leader.message(stream, { seq: 1, next_by_subj: replyBoxesOf(sender) });
        return mark === undefined ? [] : [{ ...mark, stream }];
      }),
    );
    const [first, ...others] = marks.flat();
    if (first === undefined) return false;
    const oldest = others.reduce((old, mark) => (mark.time < old.time ? mark : old), first);
    const recipient = recipientOf(oldest.subject);
    const mailbox = mailboxes.peek(recipient);
    // What comes from now on is marked anew.
    if (mailbox !== undefined) this.#open.get(mailbox)?.delete(sender);
    await drop(recipient, sender);
    await this.#unmark(sender, oldest.stream, oldest.subject, oldest.sequence);
    return true;
  }

  async #count(sender: string, maxAge: number): Promise<Count> {
    const known = this.#counts.get(sender);
    const count = await known;
    if (known !== undefined && count !== undefined && performance.now() - count.at < maxAge) return count;
    // Another may have begun meanwhile.
    const begun = this.#counts.get(sender);
    if (begun !== known && begun !== undefined) return begun;
    const counting = this.#countAnew(sender);
    this.#counts.delete(sender);
    this.#counts.set(sender, counting);
    counting.catch(() => this.#counts.delete(sender));
    const [oldest] = this.#counts.keys();
    if (this.#counts.size > maxSenders && oldest !== undefined) this.#counts.delete(oldest);
    return counting;
  }

  async #countAnew(sender: string): Promise<Count> {
    const { shards } = this.#parts;
    const each = await Promise.all(shards.all.map((shard) => countOf(shards, shard, shard.replyBoxesOf(sender))));
    return { counted: each.reduce((sum, boxes) => sum + boxes, 0), added: 0, at: performance.now() };
  }
}

export interface Answer {
  readonly sender: string;
  /** Most mailboxes that may hold answers of the sender. */
  readonly most: number;
  /** Whether it was stored before. */
  readonly isStored: () => Promise<boolean>;
}

/** not-needed: it was stored before. too-many: the sender opens as many mailboxes as it may at this moment. no-room: the stream is full. */
export type Opened = 'open' | 'not-needed' | 'too-many' | 'no-room';

/** Messages of a stream whose subjects fit. Throws mail-store-failed. */
export async function countOf({ direct }: Shards, { stream }: Shard, subject: string): Promise<number> {
  const { messages, pending } = await direct.read(stream, { seq: 1, next_by_subj: subject, batch: 1 });
  return messages.length + pending;
}
