import type { Hex } from '../../codec/index.ts';
import { bury, type Place } from './burial.ts';
import type { Delivered } from './delivered.ts';
import { sentBy, type MailHeader } from './header-scan.ts';
import type { MailboxStates } from './mailbox-states.ts';
import type { Mailboxes } from './mailboxes.ts';
import { storedAtOf } from './notes.ts';
import { idTokenOf, recipientOf } from './layout.ts';
import type { ReplyBoxes } from './reply-boxes.ts';
import type { Shard, Shards } from './shard.ts';
import { sumBySender, type ShareChange } from './shares.ts';

export interface RemoveParts {
  readonly shards: Shards;
  readonly mailboxes: Mailboxes;
  readonly states: MailboxStates;
  readonly delivered: Delivered;
  readonly replyBoxes: ReplyBoxes;
  readonly dedupeMs: number;
  readonly now: () => number;
  /** These are gone. */
  readonly removed: (recipient: Hex, changes: readonly ShareChange[]) => void;
}

const pageCount = 256;

/** Ends messages: those that are acknowledged and those that are too old. Their ids stay known as tombstones. */
export class Remover {
  readonly #parts: RemoveParts;
  readonly #turns = new Map<Hex, Promise<void>>();

  constructor(parts: RemoveParts) {
    this.#parts = parts;
  }

  /** Resolves when all up to the sequence are gone for good. Throws mail-store-failed. */
  async acknowledge(recipient: Hex, upTo: number): Promise<void> {
    const before = this.#turns.get(recipient) ?? Promise.resolve();
    // Why it failed its own caller was told.
    const turn = before.catch(() => undefined).then(() => this.#acknowledge(recipient, upTo));
    this.#turns.set(recipient, turn);
    await turn.finally(() => {
      if (this.#turns.get(recipient) === turn) this.#turns.delete(recipient);
    });
  }

  async #acknowledge(recipient: Hex, upTo: number): Promise<void> {
    const { shards, mailboxes, states, delivered } = this.#parts;
    const place = shards.of(recipient);
    const mailbox = await mailboxes.get(recipient);
    if (upTo <= mailbox.acknowledged) return;
    const gone =
      delivered.between(recipient, mailbox.acknowledged, upTo) ??
      (await shards.headers.list(place.stream, place.mail, upTo));
    const end = gone.at(-1)?.sequence;
    if (end === undefined) return;
    const setState = (): Promise<boolean> => states.acknowledge(recipient, mailbox, end);
    const isRoom = await this.#writeDown(place, gone, setState);
    await this.#purge(place, recipient, gone);
    // There is room now.
    if (!isRoom) await this.#writeDown(place, gone, setState);
  }

  /**
   * First the tombstones, then the messages: an id is known at every moment. Only where the store is full they change
   * places, or nothing could ever make room.
   */
  async #writeDown(place: Place, gone: readonly MailHeader[], setState?: () => Promise<boolean>): Promise<boolean> {
    const written = await Promise.all([bury(place, gone, this.#parts), setState?.() ?? true]);
    return written.every(Boolean);
  }

  async #purge({ stream, mail }: Place, recipient: Hex, gone: readonly MailHeader[]): Promise<number> {
    const { shards, mailboxes, delivered, removed } = this.#parts;
    const end = gone.at(-1)?.sequence ?? 0;
    const count = await shards.leader.purge(stream, mail, end + 1);
    // Another process may have purged some of them.
    const changes = sumBySender(gone.slice(gone.length - count), -1);
    delivered.forget(recipient, end);
    mailboxes.change(recipient, changes);
    removed(recipient, changes);
    await this.#closeBoxes(recipient, gone, end);
    return count;
  }

  async #closeBoxes(recipient: Hex, gone: readonly MailHeader[], end: number): Promise<void> {
    const answering = new Set(gone.filter(({ isAnswer }) => isAnswer).map(({ sender }) => sender));
    if (answering.size === 0) return;
    const { shares } = await this.#parts.mailboxes.get(recipient);
    const done = [...answering].filter((sender) => shares.of(sender).count === 0);
    await this.#parts.replyBoxes.close(recipient, done, end);
  }

  /** Ends the answers of a sender in a mailbox. Throws mail-store-failed. */
  async drop(recipient: Hex, sender: string): Promise<void> {
    const { shards, mailboxes, delivered, removed } = this.#parts;
    const place = shards.of(recipient);
    const all = await shards.headers.list(place.stream, place.mail);
    const own = all.filter((header) => header.isAnswer && header.sender === sender);
    await this.#writeDown(place, own);
    if (own.length === all.length) {
      await this.#purge(place, recipient, own);
      return;
    }
    const gone = [];
    for (const header of own) if (await shards.leader.remove(place.stream, header.sequence)) gone.push(header);
    const changes = sumBySender(gone, -1);
    delivered.forget(recipient, own.at(-1)?.sequence ?? 0);
    mailboxes.change(recipient, changes);
    removed(recipient, changes);
  }

  /** Ends all messages that were stored before a time; gives how many. Throws mail-store-failed. */
  async expire(before: number): Promise<number> {
    let expired = 0;
    for (const shard of this.#parts.shards.all) expired += await this.#expire(shard, before);
    return expired;
  }

  async #expire(shard: Shard, before: number): Promise<number> {
    const { direct } = this.#parts.shards;
    let expired = 0;
    let seq = 1;
    for (;;) {
      // From the oldest on: the first that is young enough ends it.
      const request = { seq, next_by_subj: shard.allMail, batch: pageCount, max_bytes: 2 ** 20 };
      const { messages } = await direct.read(shard.stream, request);
      const old = new Map<Hex, MailHeader[]>();
      for (const { sequence, subject, data, note, key } of messages) {
        const storedAt = storedAtOf(note);
        if (storedAt >= before) break;
        seq = sequence + 1;
        const recipient = recipientOf(subject);
        const known = old.get(recipient) ?? [];
        old.set(recipient, known);
        known.push({ sequence, idToken: idTokenOf(key), size: data.length, ...sentBy(note), storedAt });
      }
      if (old.size === 0) return expired;
      for (const [recipient, gone] of old) {
        const place = this.#parts.shards.of(recipient);
        await this.#writeDown(place, gone);
        expired += await this.#purge(place, recipient, gone);
      }
    }
  }
}
