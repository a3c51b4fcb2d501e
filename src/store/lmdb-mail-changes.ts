import { toHex, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { DiskRoom } from './disk-room.ts';
import type { Append, Numbered } from './early-mail.ts';
import type { LmdbMailCounters, OpenBox } from './lmdb-mail-counters.ts';
import { idOf, type LmdbMailIds } from './lmdb-mail-ids.ts';
import * as layout from './lmdb-mail-layout.ts';
import { mailRange } from './lmdb-mail-range.ts';
import type { MailTables } from './lmdb-mail-tables.ts';
import { noChange, type Change } from './lmdb-pages.ts';
import type { LmdbReplyBoxes } from './lmdb-reply-boxes.ts';
import { trialBytes, whyAllFull, whyFull, type Fill, type MailQuota } from './mail-quota.ts';
import type { Appended } from './mail-store.ts';

export interface MailChangesParts {
  readonly tables: MailTables;
  readonly quota: Required<MailQuota>;
  /** Unix time, ms. */
  readonly now: () => number;
  readonly room: DiskRoom;
  readonly counters: LmdbMailCounters;
  readonly replyBoxes: LmdbReplyBoxes;
  readonly ids: LmdbMailIds;
}

const maxCursor = 2n ** 64n - 1n;
const trialKey = Buffer.from('trial');

/** Most deletions in one piece of work, so that a long mailbox does not hold up appends. */
export const chunk = 500;
/** Keys that an append writes: of the mail, its id, its place in `byAge`, and what counts it. */
const keysOfMail = 8;
/** A mailbox, and all of them. */
const keysOfCounters = 2;
/** A reply box, its share, and since when it has mail. */
const keysOfBox = 3;

interface MailEntry {
  readonly key: Buffer;
  readonly value: layout.MailHead;
}

/** What is done to mailboxes inside of one write transaction. */
export class MailChanges {
  readonly #parts: MailChangesParts;

  constructor(parts: MailChangesParts) {
    this.#parts = parts;
  }

  /** undefined: room was made, and there may be some in the next transaction. */
  append({ recipient, bytes, origin }: Append, idKey: Buffer, numbered: Numbered): Appended | undefined {
    const { tables, quota, now, room, counters, replyBoxes, ids } = this.#parts;
    const known = ids.cursor(idKey);
    if (known !== undefined) return { cursor: known, duplicate: true };
    const sender = origin === undefined ? layout.noSender : layout.idKey(origin.sender);
    const box = counters.box(recipient);
    const totals = counters.totals();
    const share = origin && counters.share(box, sender.toString('latin1'));
    const reason =
      whyAllFull(quota, totals.bytes + bytes.length, origin) ?? whyFull(quota, box, bytes.length, origin, share);
    if (reason !== undefined) throw new RelayError('mailbox-full', { details: { recipient, reason } });
    room.take(this.#changeOfAppend(bytes.length), 'more');
    if (origin?.maxBoxes !== undefined && share?.count === 0) {
      if (replyBoxes.count(sender) >= origin.maxBoxes) {
        this.#makeRoom(sender, origin.maxBoxes);
        return undefined;
      }
      box.isReplyBox = true;
      share.openedAt = replyBoxes.open(sender, box.key);
    }
    number(box, numbered);
    change(box, 1, bytes.length);
    change(totals, 1, bytes.length);
    if (share !== undefined) change(share, 1, bytes.length);
    const value = layout.encodeMail(now(), idOf(idKey), sender, bytes);
    tables.mail.putSync(layout.mailKey(recipient, box.last), value);
    ids.add(idKey, layout.encodePlace(box.last, recipient));
    return { cursor: box.last, duplicate: false };
  }

  /** Writes as much as a message, where the last trial was. Throws mailbox-full where that has no room. */
  try(): void {
    const { quota, counters, room, tables } = this.#parts;
    const reason = whyAllFull(quota, counters.storedTotals().bytes + trialBytes);
    if (reason !== undefined) throw new RelayError('mailbox-full', { details: { recipient: 'anyone', reason } });
    room.take(this.#changeOfAppend(trialBytes), 'more');
    tables.meta.putSync(trialKey, Buffer.alloc(trialBytes));
  }

  /** True where more is left to delete. */
  ack(recipient: Hex, upTo: bigint): boolean {
    const box = this.#parts.counters.box(recipient);
    const end = upTo < box.last ? upTo : box.last;
    if (end <= box.acknowledged) return false;
    const { last, more } = this.#remove(box, [
      ...mailRange(this.#parts.tables.mailHeads, recipient, box.acknowledged + 1n, end, chunk),
    ]);
    box.acknowledged = more ? last : end;
    return more;
  }

  /** How many were too old, and whether more may be. */
  expire(recipient: Hex, before: number): { readonly count: number; readonly more: boolean } {
    const old = [];
    for (const entry of mailRange(this.#parts.tables.mailHeads, recipient, 0n, maxCursor, chunk)) {
      if (entry.value.storedAt >= before) break;
      old.push(entry);
    }
    return old.length === 0 ? { count: 0, more: false } : this.#remove(this.#parts.counters.box(recipient), old);
  }

  #changeOfAppend(bytes: number): Change {
    return { ...noChange, put: keysOfMail, overflow: this.#parts.room.overflow(layout.mailOverhead + bytes) };
  }

  /** As many of a chunk as there is room for on the disk. */
  #remove(box: OpenBox, entries: readonly MailEntry[]) {
    const count = this.#parts.room.takeToRemove(entries.length, (some) =>
      this.#changeOfRemoval(box, entries.slice(0, some)),
    );
    return { ...this.#delete(box, entries.slice(0, count)), more: count < entries.length || count === chunk };
  }

  /** What counts the mail may be of as many senders. */
  #changeOfRemoval({ isReplyBox }: OpenBox, entries: readonly MailEntry[]): Change {
    const removed = entries.length;
    const freed = entries.reduce(
      (pages, { value }) => pages + this.#parts.room.overflow(layout.mailOverhead + value.bytes),
      0,
    );
    return { put: keysOfCounters + (isReplyBox ? keysOfBox : 1) * removed, removed, overflow: 0, freed };
  }

  #delete(box: OpenBox, entries: readonly MailEntry[]) {
    const { tables, counters, replyBoxes } = this.#parts;
    const totals = counters.totals();
    for (const { key, value } of entries) {
      const { sender, bytes } = value;
      tables.mail.removeSync(key);
      change(box, -1, -bytes);
      change(totals, -1, -bytes);
      if (sender === layout.noSenderName) continue;
      const share = counters.share(box, sender);
      change(share, -1, -bytes);
      if (!box.isReplyBox || share.count > 0) continue;
      replyBoxes.leave(Buffer.from(sender, 'latin1'), box.key, share.openedAt);
      share.openedAt = undefined;
    }
    return { count: entries.length, last: entries.at(-1)?.key.readBigUInt64BE(32) ?? 0n };
  }

  /**
   * Deletes what a sender left in its oldest reply box, a chunk of it at most: whoever asks chooses the box, and may never look
   * into it, and the newest answer is the one that somebody waits for. Throws reply-boxes-full where none is known to be the
   * oldest.
   */
  #makeRoom(sender: Buffer, max: number): void {
    const { tables, room, counters, replyBoxes } = this.#parts;
    const oldest = replyBoxes.oldest(sender);
    if (oldest === undefined) throw new RelayError('reply-boxes-full', { details: { sender: toHex(sender), max } });
    const recipient = layout.recipientOpened(oldest);
    const box = counters.box(recipient);
    const own = [];
    const name = sender.toString('latin1');
    for (const entry of mailRange(tables.mailHeads, recipient, 0n, maxCursor, box.count))
      if (entry.value.sender === name && own.push(entry) === chunk) break;
    if (own.length > 0) {
      this.#remove(box, own);
      return;
    }
    // Of one that an earlier version emptied.
    room.take({ ...noChange, removed: 1 }, 'less');
    replyBoxes.forget(oldest);
  }
}

/** Moves a mailbox on to the next message. */
function number(box: OpenBox, { given, least }: Numbered): void {
  const next = box.last + 1n;
  // A mailbox that was forgotten meanwhile begins after all others that were, which is too late. Where there is mail, another
  // process wrote it: the message comes behind it.
  const isLater = given !== undefined && given < next && box.count > 0;
  if (given !== undefined && given < next && !isLater) box.acknowledged = given - 1n;
  box.last = isLater || given === undefined ? (next < least ? least : next) : given;
}

function change(fill: Fill, messages: number, bytes: number): void {
  fill.count += messages;
  fill.bytes += bytes;
}
