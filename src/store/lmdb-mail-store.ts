import { open, type Database, type RootDatabase } from 'lmdb';
import { toHex, type Hex } from '../codec/index.ts';
import { asRelayError, RelayError } from '../errors/index.ts';
import { GroupCommit } from './group-commit.ts';
import { refuseForeignData, throwCommitCause } from './lmdb-environment.ts';
import * as layout from './lmdb-mail-layout.ts';
import { defaultQuota, defaultTimes, type MailQuota } from './mail-store.ts';
import type { Appended, Mail, MailboxStats, MailStore, MailStoreTotals, ReadLimit } from './mail-store.ts';
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
  /** Time between sweeps. Default 10 min, in ms. */
  readonly sweepIntervalMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
  /** Random bytes. Default the platform's. */
  readonly random?: (length: number) => Uint8Array;
}

type Binary = Database<Buffer, Buffer>;

const idLength = 32;
const maxCursor = 2n ** 64n - 1n;
// Most deletions in one piece of work, so that a long mailbox does not hold up appends.
const chunk = 500;

/** Mailboxes in an LMDB environment of their own. Throws mail-store-failed. */
export async function openLmdbMailStore(options: LmdbMailStoreOptions): Promise<MailStore> {
  const random = options.random ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
  try {
    await refuseForeignData(options.path);
    const binary = { keyEncoding: 'binary', encoding: 'binary' } as const;
    const env = open<Buffer, Buffer>({
      path: options.path,
      noSubdir: false,
      maxDbs: 8,
      // A commit is then one fdatasync, and its promise waits for it; GroupCommit has one in flight anyway.
      overlappingSync: false,
      noSync: options.durability === 'os',
      // GroupCommit does that; here it would leave behind a promise that nobody holds and that a full disk rejects.
      eventTurnBatching: false,
      ...binary,
    });
    const db = (name: string): Binary => env.openDB<Buffer, Buffer>({ name, ...binary });
    const tables = { mail: db('mail'), boxes: db('boxes'), ids: db('ids'), byAge: db('byAge'), meta: db('meta') };
    const generationKey = Buffer.from('generation');
    await env.transaction(() => {
      if (tables.meta.get(generationKey) === undefined) tables.meta.putSync(generationKey, Buffer.from(random(16)));
    });
    const generation = tables.meta.get(generationKey);
    if (generation === undefined)
      throw new RelayError('mail-store-failed', {
        details: { action: 'open', reason: 'its generation was not written' },
      });
    return new LmdbMailStore(env, tables, toHex(generation), options);
  } catch (error) {
    throw asRelayError(error, 'mail-store-failed', { action: 'open' });
  }
}

interface Tables {
  readonly mail: Binary;
  readonly boxes: Binary;
  readonly ids: Binary;
  readonly byAge: Binary;
  readonly meta: Binary;
}

const totalsKey = Buffer.from('totals');

class LmdbMailStore implements MailStore {
  readonly generation: Hex;
  readonly #env: RootDatabase<Buffer, Buffer>;
  readonly #tables: Tables;
  readonly #commits: GroupCommit;
  readonly #quota: Required<MailQuota>;
  readonly #retentionMs: number;
  readonly #dedupeMs: number;
  readonly #now: () => number;
  readonly #wakers = new Wakers();
  readonly #readers = new Readers();
  readonly #sweeper: ReturnType<typeof setInterval>;
  #sweeping: Promise<{ readonly expired: number }> | undefined;
  #closing: Promise<void> | undefined;
  // Of the transaction that is being built: counters are written once for all its appends.
  #boxes = new Map<Hex, layout.Box>();
  #totals: layout.Totals | undefined;
  #ids: Buffer[] = [];

  constructor(env: RootDatabase<Buffer, Buffer>, tables: Tables, generation: Hex, options: LmdbMailStoreOptions) {
    this.generation = generation;
    this.#env = env;
    this.#tables = tables;
    this.#quota = { ...defaultQuota, ...options.quota };
    this.#retentionMs = options.retentionMs ?? defaultTimes.retentionMs;
    this.#dedupeMs = options.dedupeMs ?? defaultTimes.dedupeMs;
    this.#now = options.now ?? Date.now;
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
    this.#sweeper = setInterval(() => {
      this.sweep().catch(() => undefined);
    }, options.sweepIntervalMs ?? defaultTimes.sweepIntervalMs);
    this.#sweeper.unref();
  }

  async append(recipient: Hex, messageId: Hex, bytes: Uint8Array): Promise<Appended> {
    const appended = await this.#commits.run(() => this.#append(recipient, messageId, bytes));
    if (!appended.duplicate) this.#wakers.wake(recipient);
    return appended;
  }

  async read(recipient: Hex, after: bigint, limit: ReadLimit = {}): Promise<Mail[]> {
    if (after >= maxCursor) return [];
    let room = limit.bytes ?? 2 ** 20;
    const found: Mail[] = [];
    for (const { key, value } of this.#range(recipient, after + 1n, maxCursor, limit.count ?? 256)) {
      found.push({
        cursor: key.readBigUInt64BE(32),
        storedAt: layout.mailStoredAt(value),
        messageId: toHex(value.subarray(8, layout.mailOverhead)),
        bytes: value.subarray(layout.mailOverhead),
      });
      room -= value.length;
      if (room <= 0) break;
    }
    return found;
  }

  async ack(recipient: Hex, upTo: bigint): Promise<void> {
    while (await this.#commits.run(() => this.#ack(recipient, upTo)));
  }

  async stats(recipient: Hex): Promise<MailboxStats> {
    return layout.decodeBox(this.#tables.boxes.get(layout.idKey(recipient)));
  }

  async totals(): Promise<MailStoreTotals> {
    const totals = layout.decodeTotals(this.#tables.meta.get(totalsKey));
    return { recipients: this.#tables.boxes.getKeysCount(), ...totals };
  }

  async *recipients(): AsyncIterable<Hex> {
    let start = Buffer.alloc(32);
    for (;;) {
      const page = [...this.#tables.boxes.getRange({ start, limit: chunk })];
      for (const { key, value } of page) if (layout.decodeBox(value).count > 0) yield toHex(key);
      const last = page.at(-1);
      if (last === undefined || page.length < chunk) return;
      start = Buffer.concat([last.key, Buffer.of(0)]);
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
    this.#closing ??= this.#commits.close().then(async () => {
      await this.#sweeping?.catch(() => undefined);
      await this.#env.close();
    });
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
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
    const deleted = this.#delete(box, [...this.#range(recipient, box.acknowledged + 1n, end, chunk)]);
    const more = deleted.count === chunk;
    box.acknowledged = more ? deleted.last : end;
    return more;
  }

  /** How many were too old, at most `chunk`. */
  #expire(recipient: Hex, before: number): number {
    const old = [];
    for (const entry of this.#range(recipient, 0n, maxCursor, chunk)) {
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

  async #sweep(): Promise<{ readonly expired: number }> {
    const now = this.#now();
    let expired = 0;
    while ((await this.#commits.run(() => this.#forgetIds(now - this.#dedupeMs))) >= chunk);
    for await (const recipient of this.recipients()) {
      const [oldest] = await this.read(recipient, 0n, { count: 1 });
      if (oldest === undefined || oldest.storedAt >= now - this.#retentionMs) continue;
      let gone;
      do expired += gone = await this.#commits.run(() => this.#expire(recipient, now - this.#retentionMs));
      while (gone === chunk);
    }
    return { expired };
  }

  #range(recipient: Hex, from: bigint, to: bigint, limit: number) {
    const start = layout.mailKey(recipient, from);
    return this.#tables.mail.getRange({ start, end: layout.mailKey(recipient, to), inclusiveEnd: true, limit });
  }

  #box(recipient: Hex): layout.Box {
    const loaded = this.#boxes.get(recipient) ?? layout.decodeBox(this.#tables.boxes.get(layout.idKey(recipient)));
    this.#boxes.set(recipient, loaded);
    return loaded;
  }

  #loadTotals(): layout.Totals {
    return (this.#totals ??= layout.decodeTotals(this.#tables.meta.get(totalsKey)));
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
