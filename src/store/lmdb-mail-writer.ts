import type { RootDatabase } from 'lmdb';
import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { GroupCommit } from './group-commit.ts';
import { throwCommitCause } from './lmdb-environment.ts';
import * as layout from './lmdb-mail-layout.ts';
import { mailRange } from './lmdb-mail-range.ts';
import type { MailTables } from './lmdb-mail-tables.ts';
import type { Appended, MailQuota } from './mail-store.ts';

export interface MailWriterOptions {
  readonly quota: Required<MailQuota>;
  /** Unix time, ms. */
  readonly now: () => number;
}

const idLength = 32;
const maxCursor = 2n ** 64n - 1n;
const totalsKey = Buffer.from('totals');
const trialKey = Buffer.from('trial');
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
  #boxes = new Map<Hex, layout.Box>();
  #totals: layout.Totals | undefined;
  #ids: Buffer[] = [];

  constructor(env: RootDatabase<Buffer, Buffer>, tables: MailTables, { quota, now }: MailWriterOptions) {
    this.#tables = tables;
    this.#quota = quota;
    this.#now = now;
    this.#commits = new GroupCommit((action) =>
      // A child is rolled back as a whole where a write in it fails.
      env
        .childTransaction(() => {
          this.#boxes = new Map();
          this.#totals = undefined;
          this.#ids = [];
          action();
          this.#writeCounters();
          this.#writeIds();
        })
        .catch(throwCommitCause),
    );
  }

  /** Throws mailbox-full, too. */
  append(recipient: Hex, messageId: Hex, bytes: Uint8Array): Promise<Appended> {
    return this.#commits.run(() => this.#append(recipient, messageId, bytes));
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

  /** Settles what was given, takes nothing more. */
  close(): Promise<void> {
    return this.#commits.close();
  }

  // The rest runs inside a write transaction.

  #append(recipient: Hex, messageId: Hex, bytes: Uint8Array): Appended {
    const id = layout.idKey(messageId);
    const known = this.#tables.ids.get(id);
    if (known !== undefined) return { cursor: known.readBigUInt64BE(), duplicate: true };
    const box = this.#box(recipient);
    const totals = this.#loadTotals();
    this.#checkQuota(recipient, box, totals, bytes.length);
    const storedAt = this.#now();
    box.last += 1n;
    count(box, totals, 1, bytes.length);
    this.#tables.mail.putSync(layout.mailKey(recipient, box.last), layout.encodeMail(storedAt, id, bytes));
    this.#tables.ids.putSync(id, layout.u64(box.last));
    this.#ids.push(id);
    return { cursor: box.last, duplicate: false };
  }

  #checkQuota(recipient: Hex, box: layout.Box, totals: layout.Totals, size: number): void {
    const { maxCount, maxBytes, maxTotalBytes } = this.#quota;
    const full = (reason: string): RelayError => new RelayError('mailbox-full', { details: { recipient, reason } });
    if (box.count >= maxCount) throw full(`it holds ${box.count} messages, ${maxCount} are kept`);
    if (box.bytes + size > maxBytes) throw full(`it holds ${box.bytes} bytes, ${maxBytes} are kept`);
    if (totals.bytes + size > maxTotalBytes) throw full(`the relay keeps ${maxTotalBytes} bytes in all`);
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

  #delete(box: layout.Box, entries: readonly { readonly key: Buffer; readonly value: Buffer }[]) {
    const totals = this.#loadTotals();
    let last = 0n;
    for (const { key, value } of entries) {
      last = key.readBigUInt64BE(32);
      this.#tables.mail.removeSync(key);
      count(box, totals, -1, layout.mailOverhead - value.length);
    }
    return { count: entries.length, last };
  }

  #forgetIds(before: number): number {
    const end = layout.ageKey(before, Buffer.alloc(0));
    const old: Buffer[] = [];
    const ids: Buffer[] = [];
    for (const { key, value } of this.#tables.byAge.getRange({ start: Buffer.alloc(8), end })) {
      old.push(key);
      for (let at = 0; at < value.length; at += idLength) ids.push(value.subarray(at, at + idLength));
      if (ids.length >= chunk) break;
    }
    for (const id of ids) this.#tables.ids.removeSync(id);
    for (const key of old) this.#tables.byAge.removeSync(key);
    return ids.length;
  }

  #box(recipient: Hex): layout.Box {
    const loaded = this.#boxes.get(recipient) ?? layout.decodeBox(this.#tables.boxes.get(layout.idKey(recipient)));
    this.#boxes.set(recipient, loaded);
    return loaded;
  }

  #loadTotals(): layout.Totals {
    return (this.#totals ??= this.totals());
  }

  /** One record for all: it is read only to forget them. */
  #writeIds(): void {
    const [first] = this.#ids;
    if (first !== undefined) this.#tables.byAge.putSync(layout.ageKey(this.#now(), first), Buffer.concat(this.#ids));
  }

  #writeCounters(): void {
    for (const [recipient, box] of this.#boxes)
      if (box.last > 0n) this.#tables.boxes.putSync(layout.idKey(recipient), layout.encodeBox(box));
    if (this.#totals !== undefined) this.#tables.meta.putSync(totalsKey, layout.encodeTotals(this.#totals));
  }
}

function count(box: layout.Box, totals: layout.Totals, messages: number, bytes: number): void {
  for (const counter of [box, totals]) {
    counter.count += messages;
    counter.bytes += bytes;
  }
}
