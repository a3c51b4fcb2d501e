import type { DiskRoom } from './disk-room.ts';
import * as layout from './lmdb-mail-layout.ts';
import type { MailTables } from './lmdb-mail-tables.ts';
import { noChange, type Change } from './lmdb-pages.ts';
import type { Append } from './early-mail.ts';

export interface MailIdsParts {
  readonly tables: Pick<MailTables, 'ids' | 'byAge'>;
  readonly room: DiskRoom;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Most ids that one piece of work forgets. */
  readonly chunk: number;
}

const [timeLength, keyLength] = [8, 40];

/** Which messages are known, and since when. Runs inside a write transaction, but `cursor`. */
export class LmdbMailIds {
  readonly #parts: MailIdsParts;
  // Of the transaction that is being built.
  #new: Buffer[] = [];

  constructor(parts: MailIdsParts) {
    this.#parts = parts;
  }

  /** Another transaction is being built. */
  begin(): void {
    this.#new = [];
  }

  cursor(key: Buffer): bigint | undefined {
    return this.#parts.tables.ids.get(key)?.readBigUInt64BE();
  }

  add(key: Buffer, place: Buffer): void {
    this.#parts.tables.ids.putSync(key, place);
    this.#new.push(key);
  }

  /** One record for all: it is read only to forget them. */
  write(): void {
    const { tables, now } = this.#parts;
    const [first] = this.#new;
    if (first === undefined) return;
    tables.byAge.putSync(layout.timeKey(now(), idOf(first)), Buffer.concat(this.#new));
  }

  /** As many of a chunk as there is room for on the disk. True: more may be left. */
  forget(before: number): boolean {
    const { tables, room, chunk } = this.#parts;
    const end = layout.timeKey(before, Buffer.alloc(0));
    const old = [];
    let [bytes, longest] = [0, 0];
    for (const record of tables.byAge.getRange({ start: Buffer.alloc(8), end })) {
      old.push(record);
      bytes += record.value.length;
      longest = Math.max(longest, record.value.length);
      if (bytes >= chunk * keyLength) break;
    }
    if (old.length === 0) return false;
    // Each may be alone in its record; what is left of one is written.
    const overflow = room.overflow(longest);
    const changeOf = (count: number): Change => ({ ...noChange, removed: 2 * count, put: 1, overflow });
    let left = keyLength * room.takeToRemove(bytes / keyLength, changeOf);
    const more = left < bytes || bytes >= chunk * keyLength;
    for (const { key, value } of old) {
      if (left === 0) break;
      const gone = Math.min(left, value.length);
      this.#forget(key, value, gone);
      left -= gone;
    }
    return more;
  }

  /** The first bytes of a record. */
  #forget(key: Buffer, value: Buffer, bytes: number): void {
    const { ids, byAge } = this.#parts.tables;
    for (let at = 0; at < bytes; at += keyLength) ids.removeSync(value.subarray(at, at + keyLength));
    if (bytes < value.length) byAge.putSync(key, value.subarray(bytes));
    else byAge.removeSync(key);
  }
}

export function idKeyOf({ sentAt, messageId }: Append): Buffer {
  return layout.timeKey(sentAt, layout.idKey(messageId));
}

/** Of a key in `ids`. */
export function idOf(key: Buffer): Buffer {
  return key.subarray(timeLength);
}
