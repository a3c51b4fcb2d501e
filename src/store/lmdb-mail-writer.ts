import type { RootDatabase } from 'lmdb';
import { toHex, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { GroupCommit } from './group-commit.ts';
import { throwCommitCause } from './lmdb-environment.ts';
import * as layout from './lmdb-mail-layout.ts';
import { mailRange } from './lmdb-mail-range.ts';
import type { MailTables } from './lmdb-mail-tables.ts';
import { whyAllFull, whyFull, type Fill, type MailQuota } from './mail-quota.ts';
import type { Append, Numbered, OnDisk } from './early-mail.ts';
import type { Appended } from './mail-store.ts';

export interface MailWriterOptions {
  readonly quota: Required<MailQuota>;
  /** Unix time, ms. */
  readonly now: () => number;
}

const [timeLength, idKeyLength] = [8, 40];
const maxCursor = 2n ** 64n - 1n;
const totalsKey = Buffer.from('totals');
const trialKey = Buffer.from('trial');
const noBytes = Buffer.alloc(0);
// As long as most messages are, or longer.
const trialBytes = 64 * 2 ** 10;

/** Most deletions in one piece of work, so that a long mailbox does not hold up appends. */
export const chunk = 500;

/** Writes to mailboxes, in as few transactions as there can be. Each call throws mail-store-failed. */
export class MailWriter {
  readonly #tables: MailTables;
  readonly #quota: Required<MailQuota>;
  readonly #now: () => number;
  readonly #commits: GroupCommit;
  // Of the transaction that is being built: counters are written once for all its appends.
  #boxes = new Map<Hex, OpenBox>();
  #totals: layout.Totals | undefined;
  /** Senders of reply boxes: in how many they have mail. */
  #openers = new Map<string, Opener>();
  #idKeys: Buffer[] = [];

  constructor(env: RootDatabase<Buffer, Buffer>, tables: MailTables, { quota, now }: MailWriterOptions) {
    this.#tables = tables;
    this.#quota = quota;
    this.#now = now;
    this.#commits = new GroupCommit(
      (action) =>
        // A child is rolled back as a whole where a write in it fails.
        env
          .childTransaction(() => {
            this.#boxes = new Map();
            this.#totals = undefined;
            this.#openers = new Map();
            this.#idKeys = [];
            action();
            this.#writeCounters();
            this.#writeIdKeys();
          })
          .catch(throwCommitCause),
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
    return this.#tables.ids.get(idKeyOf(append)) !== undefined;
  }

  /** Whether the mailbox takes a message when it holds what is on the way to it, too. */
  hasRoom({ recipient, bytes, origin }: Append, onTheWay: OnDisk): boolean {
    const { shares } = this.#tables;
    const stored = origin && shares.get(Buffer.concat([layout.idKey(recipient), layout.idKey(origin.sender)]));
    const [box, share] = [sum(this.box(recipient), onTheWay.box), sum(layout.decodeShare(stored), onTheWay.share)];
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
    let expired = 0;
    let gone;
    do expired += gone = await this.#commits.run(() => this.#expire(recipient, before));
    while (gone === chunk);
    return expired;
  }

  async forgetIds(before: number): Promise<void> {
    while ((await this.#commits.run(() => this.#forgetIds(before))) >= chunk);
  }

  /** Writes as much as a message, where the last trial was. Throws mailbox-full where all mailboxes hold what they may. */
  async try(): Promise<void> {
    await this.#commits.run(() => {
      const { maxTotalBytes } = this.#quota;
      if (this.totals().bytes >= maxTotalBytes)
        throw new RelayError('mailbox-full', {
          details: { recipient: 'anyone', reason: `the relay keeps ${maxTotalBytes} bytes in all` },
        });
      this.#tables.meta.putSync(trialKey, Buffer.alloc(trialBytes));
    });
  }

  totals(): layout.Totals {
    return layout.decodeTotals(this.#tables.meta.get(totalsKey));
  }

  /** As it is stored; what is new of an empty mailbox begins where the last one that was forgotten ended. */
  box(recipient: Hex): layout.Box {
    const stored = this.#tables.boxes.get(layout.idKey(recipient));
    return stored === undefined ? layout.newBox(this.totals()) : layout.decodeBox(stored);
  }

  /** Settles what was given, takes nothing more. */
  close(): Promise<void> {
    return this.#commits.close();
  }

  // The rest runs inside a write transaction.

  /** undefined: more is to be deleted before there is room. */
  #append({ recipient, bytes, origin }: Append, idKey: Buffer, numbered: Numbered): Appended | undefined {
    const known = this.#tables.ids.get(idKey);
    if (known !== undefined) return { cursor: known.readBigUInt64BE(), duplicate: true };
    const sender = origin === undefined ? layout.noSender : layout.idKey(origin.sender);
    const box = this.#box(recipient);
    const totals = this.#loadTotals();
    const share = origin && this.#share(box, sender);
    const reason =
      whyAllFull(this.#quota, totals.bytes + bytes.length, origin) ??
      whyFull(this.#quota, box, bytes.length, origin, share);
    if (reason !== undefined) throw new RelayError('mailbox-full', { details: { recipient, reason } });
    if (origin?.maxBoxes !== undefined && share?.count === 0) {
      if (!this.#makeRoom(sender, origin.maxBoxes)) return undefined;
      this.#openBox(box, share, sender);
    }
    number(box, numbered);
    change(box, 1, bytes.length);
    change(totals, 1, bytes.length);
    if (share !== undefined) change(share, 1, bytes.length);
    const value = layout.encodeMail(this.#now(), idKey.subarray(timeLength), sender, bytes);
    this.#tables.mail.putSync(layout.mailKey(recipient, box.last), value);
    this.#tables.ids.putSync(idKey, layout.u64(box.last));
    this.#idKeys.push(idKey);
    return { cursor: box.last, duplicate: false };
  }

  /** True where more is left to delete. */
  #ack(recipient: Hex, upTo: bigint): boolean {
    const box = this.#box(recipient);
    const end = upTo < box.last ? upTo : box.last;
    if (end <= box.acknowledged) return false;
    const deleted = this.#delete(box, [...mailRange(this.#tables.mail, recipient, box.acknowledged + 1n, end, chunk)]);
    const more = deleted.count === chunk;
    box.acknowledged = more ? deleted.last : end;
    return more;
  }

  /** How many were too old, at most `chunk`. */
  #expire(recipient: Hex, before: number): number {
    const old = [];
    for (const entry of mailRange(this.#tables.mail, recipient, 0n, maxCursor, chunk)) {
      if (layout.mailStoredAt(entry.value) >= before) break;
      old.push(entry);
    }
    return this.#delete(this.#box(recipient), old).count;
  }

  #delete(box: OpenBox, entries: readonly { readonly key: Buffer; readonly value: Buffer }[]) {
    const totals = this.#loadTotals();
    let last = 0n;
    for (const { key, value } of entries) {
      last = key.readBigUInt64BE(32);
      this.#tables.mail.removeSync(key);
      const sender = layout.mailSender(value);
      const bytes = layout.mailOverhead - value.length;
      change(box, -1, bytes);
      change(totals, -1, bytes);
      if (sender.equals(layout.noSender)) continue;
      const share = this.#share(box, sender);
      change(share, -1, bytes);
      if (box.isReplyBox && share.count === 0) this.#leaveBox(box, share, sender);
    }
    return { count: entries.length, last };
  }

  #forgetIds(before: number): number {
    const end = layout.timeKey(before, Buffer.alloc(0));
    const old: Buffer[] = [];
    const idKeys: Buffer[] = [];
    for (const { key, value } of this.#tables.byAge.getRange({ start: Buffer.alloc(8), end })) {
      old.push(key);
      for (let at = 0; at < value.length; at += idKeyLength) idKeys.push(value.subarray(at, at + idKeyLength));
      if (idKeys.length >= chunk) break;
    }
    for (const key of idKeys) this.#tables.ids.removeSync(key);
    for (const key of old) this.#tables.byAge.removeSync(key);
    return idKeys.length;
  }

  #box(recipient: Hex): OpenBox {
    const open = this.#boxes.get(recipient);
    if (open !== undefined) return open;
    const key = layout.idKey(recipient);
    const stored = this.#tables.boxes.get(key);
    const totals = this.#loadTotals();
    const box = stored === undefined ? layout.newBox(totals) : layout.decodeBox(stored);
    const opened = { ...box, key, isStored: stored !== undefined, shares: new Map<string, OpenShare>() };
    this.#boxes.set(recipient, opened);
    return opened;
  }

  /** What the mailbox holds of a sender. */
  #share({ key: recipient, shares }: OpenBox, sender: Buffer): OpenShare {
    const name = sender.toString('latin1');
    const open = shares.get(name);
    if (open !== undefined) return open;
    const key = Buffer.concat([recipient, sender]);
    const stored = this.#tables.shares.get(key);
    const share = { ...layout.decodeShare(stored), key, isStored: stored !== undefined };
    shares.set(name, share);
    return share;
  }

  /**
   * Whoever asks chooses the box, and may never look into it: the newest answer is the one that somebody waits for. False:
   * there is more to delete. Throws reply-boxes-full where none is known to be the oldest.
   */
  #makeRoom(sender: Buffer, max: number): boolean {
    if (this.#opener(sender).boxes < max) return true;
    const { opened, mail } = this.#tables;
    const [start, end] = [layout.openedKey(sender, 0, noBytes), Buffer.concat([sender, Buffer.alloc(40, 0xff)])];
    const [oldest] = opened.getKeys({ start, end, limit: 1 });
    if (oldest === undefined) throw new RelayError('reply-boxes-full', { details: { sender: toHex(sender), max } });
    const recipient = layout.recipientOpened(oldest);
    const box = this.#box(recipient);
    const own = [];
    for (const entry of mailRange(mail, recipient, 0n, maxCursor, box.count))
      if (layout.mailSender(entry.value).equals(sender) && own.push(entry) === chunk) break;
    this.#delete(box, own);
    // Of one that an earlier version emptied.
    if (own.length === 0) opened.removeSync(oldest);
    return this.#opener(sender).boxes < max;
  }

  /** Another mailbox holds mail of the sender. */
  #openBox(box: OpenBox, share: OpenShare, sender: Buffer): void {
    box.isReplyBox = true;
    share.openedAt = this.#now();
    this.#tables.opened.putSync(layout.openedKey(sender, share.openedAt, box.key), Buffer.of(1));
    this.#countBox(this.#opener(sender), 1);
  }

  #leaveBox(box: OpenBox, share: OpenShare, sender: Buffer): void {
    const opener = this.#opener(sender);
    if (share.openedAt !== undefined) this.#tables.opened.removeSync(layout.openedKey(sender, share.openedAt, box.key));
    share.openedAt = undefined;
    // What an earlier version stored was not counted.
    if (opener.boxes > 0) this.#countBox(opener, -1);
  }

  #countBox(opener: Opener, more: 1 | -1): void {
    opener.boxes += more;
    this.#loadTotals().replyBoxes += more;
  }

  #opener(sender: Buffer): Opener {
    const name = sender.toString('latin1');
    const open = this.#openers.get(name);
    if (open !== undefined) return open;
    const stored = this.#tables.openers.get(sender);
    const key = Buffer.from(sender);
    const opener = { key, isStored: stored !== undefined, boxes: Number(stored?.readBigUInt64BE() ?? 0n) };
    this.#openers.set(name, opener);
    return opener;
  }

  #loadTotals(): layout.Totals {
    return (this.#totals ??= this.totals());
  }

  /** One record for all: it is read only to forget them. */
  #writeIdKeys(): void {
    const [first] = this.#idKeys;
    if (first === undefined) return;
    const key = layout.timeKey(this.#now(), first.subarray(timeLength));
    this.#tables.byAge.putSync(key, Buffer.concat(this.#idKeys));
  }

  #writeCounters(): void {
    const { shares, openers, meta } = this.#tables;
    for (const box of this.#boxes.values()) {
      this.#writeBox(box);
      for (const share of box.shares.values())
        if (share.count > 0) shares.putSync(share.key, layout.encodeShare(share));
        else if (share.isStored) shares.removeSync(share.key);
    }
    for (const { key, isStored, boxes } of this.#openers.values())
      if (boxes > 0) openers.putSync(key, layout.u64(BigInt(boxes)));
      else if (isStored) openers.removeSync(key);
    if (this.#totals !== undefined) meta.putSync(totalsKey, layout.encodeTotals(this.#totals));
  }

  /** One that is empty leaves nothing behind but where the next one begins: a cursor is never given twice. */
  #writeBox(box: OpenBox): void {
    const totals = this.#loadTotals();
    const isEmpty = box.count === 0;
    if (!isEmpty) this.#tables.boxes.putSync(box.key, layout.encodeBox(box));
    else if (box.isStored) this.#tables.boxes.removeSync(box.key);
    if (isEmpty && box.last > totals.floor) totals.floor = box.last;
    totals.boxes += Number(!isEmpty) - Number(box.isStored);
  }
}

/** A mailbox that a transaction changes, with what it holds of each sender. */
interface OpenBox extends layout.Box {
  readonly key: Buffer;
  readonly isStored: boolean;
  readonly shares: Map<string, OpenShare>;
}

interface Opener {
  readonly key: Buffer;
  readonly isStored: boolean;
  boxes: number;
}

interface OpenShare extends layout.Share {
  readonly key: Buffer;
  readonly isStored: boolean;
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

function idKeyOf({ sentAt, messageId }: Append): Buffer {
  return layout.timeKey(sentAt, layout.idKey(messageId));
}

function sum(a: Fill, b: Fill): Fill {
  return { count: a.count + b.count, bytes: a.bytes + b.bytes };
}

function change(fill: Fill, messages: number, bytes: number): void {
  fill.count += messages;
  fill.bytes += bytes;
}
