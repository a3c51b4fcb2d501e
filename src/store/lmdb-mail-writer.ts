import { toHex, type Hex } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { DiskRoom } from './disk-room.ts';
import { GroupCommit } from './group-commit.ts';
import { LmdbMailCounters, type OpenBox } from './lmdb-mail-counters.ts';
import { idKeyOf, idOf, LmdbMailIds } from './lmdb-mail-ids.ts';
import * as layout from './lmdb-mail-layout.ts';
import { mailRange } from './lmdb-mail-range.ts';
import type { OpenMailTables, MailTables } from './lmdb-mail-tables.ts';
import { noChange, type Change } from './lmdb-pages.ts';
import { LmdbReplyBoxes } from './lmdb-reply-boxes.ts';
import { trialBytes, whyAllFull, whyFull, type Fill, type MailQuota } from './mail-quota.ts';
import type { Append, Numbered, OnDisk } from './early-mail.ts';
import type { Appended } from './mail-store.ts';

export interface MailWriterOptions {
  /** Folder of the environment. */
  readonly path: string;
  readonly quota: Required<MailQuota>;
  /** Unix time, ms. */
  readonly now: () => number;
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

/** Writes to mailboxes, in as few transactions as there can be. Each call throws mail-store-failed. */
export class MailWriter {
  readonly #tables: MailTables;
  readonly #quota: Required<MailQuota>;
  readonly #now: () => number;
  readonly #room: DiskRoom;
  readonly #commits: GroupCommit;
  readonly #counters: LmdbMailCounters;
  readonly #replyBoxes: LmdbReplyBoxes;
  readonly #ids: LmdbMailIds;

  constructor({ env, tables }: OpenMailTables, { path, quota, now }: MailWriterOptions) {
    this.#tables = tables;
    this.#quota = quota;
    this.#now = now;
    this.#counters = new LmdbMailCounters(tables);
    this.#replyBoxes = new LmdbReplyBoxes({
      ...{ tables, now },
      counted: (more) => {
        this.#counters.totals().replyBoxes += more;
      },
    });
    const { mailHeads: _sameAsMail, ...databases } = tables;
    this.#room = new DiskRoom({
      ...{ path, root: env, named: Object.values(databases) },
      failed: (error) => asRelayError(error, 'mail-store-failed', { action: 'write' }),
    });
    this.#ids = new LmdbMailIds({ tables, room: this.#room, now, chunk });
    this.#commits = new GroupCommit(
      (action) =>
        // A child is rolled back as a whole where a write in it fails.
        this.#room.during(
          (begun) => env.childTransaction(begun),
          () => {
            this.#counters.begin();
            this.#replyBoxes.begin();
            this.#ids.begin();
            action();
            this.#replyBoxes.write();
            this.#counters.write();
            this.#ids.write();
          },
        ),
      { maxBegun: 2 },
    );
  }

  /**
   * Where the sender has answers in as many reply boxes as it may, what it left in the oldest goes. Throws mailbox-full and
   * reply-boxes-full, too.
   */
  async append(append: Append, numbered: Numbered): Promise<Appended> {
    const idKey = idKeyOf(append);
    for (;;) {
      const appended = await this.#commits.run(() => this.#append(append, idKey, numbered));
      if (appended !== undefined) return appended;
    }
  }

  /** Whether its id is known. */
  isKnown(append: Append): boolean {
    return this.#ids.cursor(idKeyOf(append)) !== undefined;
  }

  /** Whether the mailbox takes a message when it holds what is on the way to it, too. */
  hasRoom({ recipient, bytes, origin }: Append, onTheWay: OnDisk): boolean {
    const stored =
      origin === undefined ? layout.decodeShare(undefined) : this.#counters.storedShare(recipient, origin.sender);
    const [box, share] = [sum(this.box(recipient), onTheWay.box), sum(stored, onTheWay.share)];
    const total = this.totals().bytes + onTheWay.bytes + bytes.length;
    return (
      whyAllFull(this.#quota, total, origin) === undefined &&
      whyFull(this.#quota, box, bytes.length, origin, share) === undefined
    );
  }

  async ack(recipient: Hex, upTo: bigint): Promise<void> {
    while (await this.#commits.run(() => this.#ack(recipient, upTo)));
  }

  /** Ends what was stored before a time; gives how many. */
  async expire(recipient: Hex, before: number): Promise<number> {
    for (let expired = 0; ;) {
      const { count, more } = await this.#commits.run(() => this.#expire(recipient, before));
      expired += count;
      if (!more) return expired;
    }
  }

  async forgetIds(before: number): Promise<void> {
    while (await this.#commits.run(() => this.#ids.forget(before)));
  }

  /** Writes as much as a message, where the last trial was. Throws mailbox-full where that has no room. */
  async try(): Promise<void> {
    await this.#commits.run(() => {
      const reason = whyAllFull(this.#quota, this.totals().bytes + trialBytes);
      if (reason !== undefined) throw new RelayError('mailbox-full', { details: { recipient: 'anyone', reason } });
      this.#room.take(this.#changeOfAppend(trialBytes), 'more');
      this.#tables.meta.putSync(trialKey, Buffer.alloc(trialBytes));
    });
  }

  totals(): layout.Totals {
    return this.#counters.storedTotals();
  }

  /** As it is stored; what is new of an empty mailbox begins where the last one that was forgotten ended. */
  box(recipient: Hex): layout.Box {
    return this.#counters.storedBox(recipient);
  }

  /** Settles what was given, takes nothing more. */
  close(): Promise<void> {
    return this.#commits.close();
  }

  // The rest runs inside a write transaction.

  /** undefined: room was made, and there may be some in the next transaction. */
  #append({ recipient, bytes, origin }: Append, idKey: Buffer, numbered: Numbered): Appended | undefined {
    const known = this.#ids.cursor(idKey);
    if (known !== undefined) return { cursor: known, duplicate: true };
    const sender = origin === undefined ? layout.noSender : layout.idKey(origin.sender);
    const box = this.#counters.box(recipient);
    const totals = this.#counters.totals();
    const share = origin && this.#counters.share(box, sender.toString('latin1'));
    const reason =
      whyAllFull(this.#quota, totals.bytes + bytes.length, origin) ??
      whyFull(this.#quota, box, bytes.length, origin, share);
    if (reason !== undefined) throw new RelayError('mailbox-full', { details: { recipient, reason } });
    this.#room.take(this.#changeOfAppend(bytes.length), 'more');
    if (origin?.maxBoxes !== undefined && share?.count === 0) {
      if (this.#replyBoxes.count(sender) >= origin.maxBoxes) {
        this.#makeRoom(sender, origin.maxBoxes);
        return undefined;
      }
      box.isReplyBox = true;
      share.openedAt = this.#replyBoxes.open(sender, box.key);
    }
    number(box, numbered);
    change(box, 1, bytes.length);
    change(totals, 1, bytes.length);
    if (share !== undefined) change(share, 1, bytes.length);
    const value = layout.encodeMail(this.#now(), idOf(idKey), sender, bytes);
    this.#tables.mail.putSync(layout.mailKey(recipient, box.last), value);
    this.#ids.add(idKey, layout.encodePlace(box.last, recipient));
    return { cursor: box.last, duplicate: false };
  }

  #changeOfAppend(bytes: number): Change {
    return { ...noChange, put: keysOfMail, overflow: this.#room.overflow(layout.mailOverhead + bytes) };
  }

  /** True where more is left to delete. */
  #ack(recipient: Hex, upTo: bigint): boolean {
    const box = this.#counters.box(recipient);
    const end = upTo < box.last ? upTo : box.last;
    if (end <= box.acknowledged) return false;
    const { last, more } = this.#remove(box, [
      ...mailRange(this.#tables.mailHeads, recipient, box.acknowledged + 1n, end, chunk),
    ]);
    box.acknowledged = more ? last : end;
    return more;
  }

  /** How many were too old, and whether more may be. */
  #expire(recipient: Hex, before: number): { readonly count: number; readonly more: boolean } {
    const old = [];
    for (const entry of mailRange(this.#tables.mailHeads, recipient, 0n, maxCursor, chunk)) {
      if (entry.value.storedAt >= before) break;
      old.push(entry);
    }
    return old.length === 0 ? { count: 0, more: false } : this.#remove(this.#counters.box(recipient), old);
  }

  /** As many of a chunk as there is room for on the disk. */
  #remove(box: OpenBox, entries: readonly MailEntry[]) {
    const count = this.#room.takeToRemove(entries.length, (some) => this.#changeOfRemoval(box, entries.slice(0, some)));
    return { ...this.#delete(box, entries.slice(0, count)), more: count < entries.length || count === chunk };
  }

  /** What counts the mail may be of as many senders. */
  #changeOfRemoval({ isReplyBox }: OpenBox, entries: readonly MailEntry[]): Change {
    const removed = entries.length;
    const freed = entries.reduce(
      (pages, { value }) => pages + this.#room.overflow(layout.mailOverhead + value.bytes),
      0,
    );
    return { put: keysOfCounters + (isReplyBox ? keysOfBox : 1) * removed, removed, overflow: 0, freed };
  }

  #delete(box: OpenBox, entries: readonly MailEntry[]) {
    const totals = this.#counters.totals();
    for (const { key, value } of entries) {
      const { sender, bytes } = value;
      this.#tables.mail.removeSync(key);
      change(box, -1, -bytes);
      change(totals, -1, -bytes);
      if (sender === layout.noSenderName) continue;
      const share = this.#counters.share(box, sender);
      change(share, -1, -bytes);
      if (!box.isReplyBox || share.count > 0) continue;
      this.#replyBoxes.leave(Buffer.from(sender, 'latin1'), box.key, share.openedAt);
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
    const oldest = this.#replyBoxes.oldest(sender);
    if (oldest === undefined) throw new RelayError('reply-boxes-full', { details: { sender: toHex(sender), max } });
    const recipient = layout.recipientOpened(oldest);
    const box = this.#counters.box(recipient);
    const own = [];
    const name = sender.toString('latin1');
    for (const entry of mailRange(this.#tables.mailHeads, recipient, 0n, maxCursor, box.count))
      if (entry.value.sender === name && own.push(entry) === chunk) break;
    if (own.length > 0) {
      this.#remove(box, own);
      return;
    }
    // Of one that an earlier version emptied.
    this.#room.take({ ...noChange, removed: 1 }, 'less');
    this.#replyBoxes.forget(oldest);
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

function sum(a: Fill, b: Fill): Fill {
  return { count: a.count + b.count, bytes: a.bytes + b.bytes };
}

function change(fill: Fill, messages: number, bytes: number): void {
  fill.count += messages;
  fill.bytes += bytes;
}
