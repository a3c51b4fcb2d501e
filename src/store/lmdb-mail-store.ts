import type { RootDatabase } from 'lmdb';
import { toHex, type Hex } from '../codec/index.ts';
import { asRelayError, checkU64 } from '../errors/index.ts';
import { tell } from '../signals/index.ts';
import { EarlyMail, type Append } from './early-mail.ts';
import { chunk } from './lmdb-mail-changes.ts';
import * as layout from './lmdb-mail-layout.ts';
import { mailRange } from './lmdb-mail-range.ts';
import { openMailTables, type MailTables, type OpenMailTables } from './lmdb-mail-tables.ts';
import { MailWriter } from './lmdb-mail-writer.ts';
import { checkQuota, defaultQuota, type MailQuota, type Origin } from './mail-quota.ts';
import { checkMailTimes, defaultTimes, warnOfFailure, type BackgroundFailure } from './mail-store.ts';
import type { Appended, Mail, MailboxStats, MailStore, MailStoreTotals, ReadLimit, Whereabouts } from './mail-store.ts';
import { Readers } from './readers.ts';
import { Wakers } from './wakers.ts';

export interface LmdbMailStoreOptions {
  /** Directory; made where it is missing. */
  readonly path: string;
  readonly quota?: MailQuota;
  /** Unacknowledged messages live this long. Default 30 days, in ms. */
  readonly retentionMs?: number;
  /** Message ids are known this long after the append. Default 25 hours, in ms. */
  readonly dedupeMs?: number;
  /**
   * disk (default): answers wait for the fsync and survive a power cut. os: answers wait for the operating system only;
   * they survive the end of the process, and a power cut may take the last seconds.
   */
  readonly durability?: 'disk' | 'os';
  readonly onBackgroundFailure?: BackgroundFailure;
  /** Time between sweeps. Default 10 min, in ms. */
  readonly sweepIntervalMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
  /** Random bytes. Default the platform's. */
  readonly random?: (length: number) => Uint8Array;
}

const maxCursor = 2n ** 64n - 1n;

/** Mailboxes in an LMDB environment of their own. Throws mail-store-failed, bad-setting, bad-value. */
export async function openLmdbMailStore(options: LmdbMailStoreOptions): Promise<MailStore> {
  checkQuota(options.quota);
  checkMailTimes(options);
  const random = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
  try {
    return new LmdbMailStore(
      await openMailTables(options.path, { noSync: options.durability === 'os', random }),
      options,
    );
  } catch (error) {
    throw asRelayError(error, 'mail-store-failed', { action: 'open' });
  }
}

class LmdbMailStore implements MailStore {
  readonly generation: Hex;
  readonly dedupeMs: number;
  readonly #env: RootDatabase<Buffer, Buffer>;
  readonly #tables: MailTables;
  readonly #writer: MailWriter;
  readonly #retentionMs: number;
  readonly #now: () => number;
  readonly #wakers = new Wakers();
  readonly #acknowledged = new Wakers<bigint>();
  readonly #early: EarlyMail;
  readonly #readers = new Readers();
  readonly #sweeper: ReturnType<typeof setInterval>;
  #sweeping: Promise<{ readonly expired: number }> | undefined;
  #closing: Promise<void> | undefined;

  constructor(open: OpenMailTables, options: LmdbMailStoreOptions) {
    const { env, tables, generation, leastCursor } = open;
    const { now = Date.now, quota, onBackgroundFailure = warnOfFailure } = options;
    const { retentionMs, dedupeMs, sweepIntervalMs } = { ...defaultTimes, ...options };
    this.generation = generation;
    this.#env = env;
    this.#tables = tables;
    this.#writer = new MailWriter(open, { path: options.path, quota: { ...defaultQuota, ...quota }, now });
    this.#early = new EarlyMail({
      least: leastCursor,
      now,
      isRead: (recipient) => this.#wakers.has(recipient),
      // lmdb-js reads anew once it has told of a commit.
      last: (recipient) => this.#writer.box(recipient).last,
      isKnown: (append) => this.#writer.isKnown(append),
      hasRoom: (append, onTheWay) => this.#writer.hasRoom(append, onTheWay),
    });
    this.#retentionMs = retentionMs;
    this.dedupeMs = dedupeMs;
    this.#now = now;
    this.#sweeper = setInterval(() => {
      // What is too old stays until the next one.
      this.sweep().catch((error: unknown) => {
        const failure = asRelayError(error, 'mail-store-failed', { action: 'end the retention of messages' });
        tell(() => onBackgroundFailure(failure));
      });
    }, sweepIntervalMs);
    this.#sweeper.unref();
  }

  async append(recipient: Hex, messageId: Hex, bytes: Uint8Array, origin?: Origin, sentAt = 0): Promise<Appended> {
    const append: Append = { recipient, messageId, bytes, origin, sentAt };
    // The writer refuses it.
    if (this.#closing !== undefined) return this.#writer.append(append, { given: undefined, least: 0n });
    const numbered = this.#early.begin(append);
    const { given } = numbered;
    const appending = this.#writer.append(append, numbered);
    if (given !== undefined) this.#wakers.wake(recipient);
    try {
      const appended = await appending;
      this.#early.stored(append, given, appended.cursor);
      if (given === undefined && !appended.duplicate) this.#wakers.wake(recipient);
      return appended;
    } catch (error) {
      this.#early.failed(append, given);
      throw error;
    }
  }

  async read(
    recipient: Hex,
    after: bigint,
    { count = 256, bytes = 2 ** 20, early = false }: ReadLimit = {},
  ): Promise<Mail[]> {
    checkU64('after', after);
    const coming = early ? this.#early.of(recipient) : undefined;
    if (coming === undefined) return this.#onDisk(recipient, after, count, bytes).found;
    // Most often all that is on the disk was read before.
    const { found, room } =
      after >= coming.settled ? { found: [], room: bytes } : this.#onDisk(recipient, after, count, bytes);
    let newest = found.at(-1)?.cursor ?? after;
    let left = room;
    for (const mail of coming.mails.values()) {
      if (found.length >= count || left <= 0) break;
      if (mail.cursor <= newest) continue;
      newest = mail.cursor;
      left -= mail.bytes.length;
      found.push(mail);
    }
    return found;
  }

  async ack(recipient: Hex, upTo: bigint): Promise<void> {
    checkU64('upTo', upTo);
    await this.#writer.ack(recipient, upTo);
    this.#acknowledged.wake(recipient, upTo);
  }

  async find(recipient: Hex, messageId: Hex, sentAt: number): Promise<Whereabouts | undefined> {
    const id = layout.idKey(messageId);
    const known = this.#tables.ids.get(layout.timeKey(sentAt, id));
    const cursor = known && layout.cursorOf(known, recipient);
    if (cursor === undefined) return undefined;
    const mail = this.#tables.mail.get(layout.mailKey(recipient, cursor));
    const isThere = mail !== undefined && layout.mailId(mail).equals(id);
    return { cursor, isAcknowledged: !isThere && this.#now() < sentAt + this.#retentionMs };
  }

  onAcknowledged(recipient: Hex, told: (upTo: bigint) => void): () => void {
    return this.#acknowledged.add(recipient, told);
  }

  async stats(recipient: Hex): Promise<MailboxStats> {
    return this.#writer.box(recipient);
  }

  async totals(): Promise<MailStoreTotals> {
    const { boxes: recipients, replyBoxes, count, bytes } = this.#writer.totals();
    return { recipients, replyBoxes, count, bytes };
  }

  check(): Promise<void> {
    return this.#writer.try();
  }

  async *recipients(): AsyncIterable<Hex> {
    let start = Buffer.alloc(32);
    for (;;) {
      const page = [...this.#tables.boxes.getKeys({ start, limit: chunk })];
      for (const key of page) yield toHex(key);
      const last = page.at(-1);
      if (last === undefined || page.length < chunk) return;
      start = Buffer.concat([last, Buffer.of(0)]);
      // A long list must not hold up appends.
      await new Promise(setImmediate);
    }
  }

  subscribe(recipient: Hex, wake: () => void): () => void {
    return this.#wakers.add(recipient, wake);
  }

  async claim(recipient: Hex, lost: () => void): Promise<() => void> {
    return this.#readers.claim(recipient, lost);
  }

  sweep(): Promise<{ readonly expired: number }> {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  close(): Promise<void> {
    clearInterval(this.#sweeper);
    this.#closing ??= this.#writer.close().then(async () => {
      await this.#sweeping?.catch(() => undefined);
      await this.#env.close();
    });
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #onDisk(
    recipient: Hex,
    after: bigint,
    count: number,
    bytes: number,
  ): { readonly found: Mail[]; readonly room: number } {
    const found: Mail[] = [];
    let room = bytes;
    if (after >= maxCursor) return { found, room };
    for (const { key, value } of mailRange(this.#tables.mail, recipient, after + 1n, maxCursor, count)) {
      found.push(new StoredMail(key.readBigUInt64BE(32), value));
      room -= value.length;
      if (room <= 0) break;
    }
    return { found, room };
  }

  async #sweep(): Promise<{ readonly expired: number }> {
    const now = this.#now();
    const before = now - this.#retentionMs;
    let expired = 0;
    await this.#writer.forgetIds(now - this.dedupeMs);
    for await (const recipient of this.recipients()) {
      const [oldest] = await this.read(recipient, 0n, { count: 1 });
      if (oldest !== undefined && oldest.storedAt < before) expired += await this.#writer.expire(recipient, before);
    }
    return { expired };
  }
}

/** What is asked for of each message is its bytes. */
class StoredMail implements Mail {
  readonly cursor: bigint;
  readonly bytes: Uint8Array;
  readonly #value: Buffer;

  constructor(cursor: bigint, value: Buffer) {
    this.cursor = cursor;
    this.bytes = value.subarray(layout.mailOverhead);
    this.#value = value;
  }

  get storedAt(): number {
    return layout.mailStoredAt(this.#value);
  }

  get messageId(): Hex {
    return toHex(layout.mailId(this.#value));
  }
}
