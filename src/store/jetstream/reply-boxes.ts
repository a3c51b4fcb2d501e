import type { Hex } from '../../codec/index.ts';
import type { Mailbox } from './mailboxes.ts';
import type { Shard, Shards } from './shard.ts';

export interface ReplyBoxesParts {
  readonly shards: Shards;
  readonly retentionMs: number;
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
 * The mailboxes that hold answers of a sender, of which it has so many at most. A mark in the stream of each tells, which
 * goes when the last of its answers there is gone, or by itself in the end. Several processes may each let through what comes
 * until they count again.
 */
export class ReplyBoxes {
  readonly #parts: ReplyBoxesParts;
  readonly #counts = new Map<string, Promise<Count>>();
  /** Senders whose mark is known to be there. */
  readonly #open = new WeakMap<Mailbox, Map<string, Promise<Opened>>>();

  constructor(parts: ReplyBoxesParts) {
    this.#parts = parts;
  }

  /** Before an answer is stored. Throws mail-store-failed. */
  async open(recipient: Hex, mailbox: Mailbox, sender: string, most: number): Promise<Opened> {
    const known = this.#open.get(mailbox) ?? new Map<string, Promise<Opened>>();
    this.#open.set(mailbox, known);
    // Of the first one its share counts already.
    if (mailbox.shares.of(sender).count > 1) {
      const opened = await known.get(sender);
      if (opened === 'open') return opened;
    }
    const opening = this.#mark(recipient, sender, most);
    known.set(sender, opening);
    opening.catch(() => known.delete(sender));
    return opening;
  }

  /** After answers up to a sequence were removed: of these senders none is left. Throws mail-store-failed. */
  async close(recipient: Hex, senders: readonly string[], upTo: number): Promise<void> {
    const { leader } = this.#parts.shards;
    const { stream, replyBox } = this.#parts.shards.of(recipient);
    await Promise.all(senders.map((sender) => leader.purge(stream, replyBox(sender), upTo + 1)));
  }

  async #mark(recipient: Hex, sender: string, most: number): Promise<Opened> {
    const { shards, retentionMs } = this.#parts;
    const { stream, publisher, replyBox } = shards.of(recipient);
    const subject = replyBox(sender);
    const count = await this.#count(sender, maxAgeMs);
    if (count.counted + count.added >= most) {
      const { counted, added } = await this.#count(sender, fullMaxAgeMs);
      const isNew = (): Promise<boolean> =>
        shards.leader.message(stream, { last_by_subj: subject }).then((mark) => mark === undefined);
      if (counted + added >= most && (await isNew())) return 'too-many';
    }
    (await this.#count(sender, Infinity)).added += 1;
    const published = await publisher.publish({
      subject,
      headers: { 'Nats-Rollup': 'sub', 'Nats-TTL': `${Math.ceil((2 * retentionMs) / 1_000)}s` },
    });
    return 'refused' in published ? 'no-room' : 'open';
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

/** too-many: the sender has answers in as many mailboxes as it may. no-room: the stream is full. */
export type Opened = 'open' | 'too-many' | 'no-room';

/** Messages of a stream whose subjects fit. Throws mail-store-failed. */
export async function countOf({ direct }: Shards, { stream }: Shard, subject: string): Promise<number> {
  const { messages, pending } = await direct.read(stream, { seq: 1, next_by_subj: subject, batch: 1 });
  return messages.length + pending;
}
