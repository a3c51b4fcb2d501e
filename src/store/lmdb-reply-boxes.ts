import * as layout from './lmdb-mail-layout.ts';
import type { MailTables } from './lmdb-mail-tables.ts';

interface Opener {
  readonly key: Buffer;
  /** As it is stored. */
  readonly before: number;
  boxes: number;
}

export interface ReplyBoxesParts {
  readonly tables: Pick<MailTables, 'opened' | 'openers'>;
  /** Unix time, ms. */
  readonly now: () => number;
  /** There are more reply boxes, or fewer. */
  readonly counted: (more: 1 | -1) => void;
}

const openedKeyRest = Buffer.alloc(40, 0xff);
const noBytes = Buffer.alloc(0);

/** In which reply boxes each sender has mail, and since when: the oldest makes room. Runs inside a write transaction. */
export class LmdbReplyBoxes {
  readonly #parts: ReplyBoxesParts;
  #openers = new Map<string, Opener>();

  constructor(parts: ReplyBoxesParts) {
    this.#parts = parts;
  }

  /** Another transaction is being built. */
  begin(): void {
    this.#openers = new Map();
  }

  /** How many hold mail of the sender. */
  count(sender: Buffer): number {
    return this.#opener(sender).boxes;
  }

  /** Key of the one that has held mail of the sender longest; `recipientOpened` of the layout tells which it is. */
  oldest(sender: Buffer): Buffer | undefined {
    const [start, end] = [layout.openedKey(sender, 0, noBytes), Buffer.concat([sender, openedKeyRest])];
    const [oldest] = this.#parts.tables.opened.getKeys({ start, end, limit: 1 });
    return oldest;
  }

  /** Of one that holds nothing of the sender any more, and was not left. */
  forget(key: Buffer): void {
    this.#parts.tables.opened.removeSync(key);
  }

  /** Another one holds mail of the sender. Gives since when. */
  open(sender: Buffer, box: Buffer): number {
    const { tables, now } = this.#parts;
    const openedAt = now();
    tables.opened.putSync(layout.openedKey(sender, openedAt, box), Buffer.of(1));
    this.#count(this.#opener(sender), 1);
    return openedAt;
  }

  /** One holds none any more. */
  leave(sender: Buffer, box: Buffer, openedAt: number | undefined): void {
    const opener = this.#opener(sender);
    if (openedAt !== undefined) this.forget(layout.openedKey(sender, openedAt, box));
    // What an earlier version stored was not counted.
    if (opener.boxes > 0) this.#count(opener, -1);
  }

  /** Once for all that the transaction changed. */
  write(): void {
    const { openers } = this.#parts.tables;
    for (const { key, before, boxes } of this.#openers.values())
      if (boxes === before) continue;
      else if (boxes > 0) openers.putSync(key, layout.u64(BigInt(boxes)));
      else openers.removeSync(key);
  }

  #count(opener: Opener, more: 1 | -1): void {
    opener.boxes += more;
    this.#parts.counted(more);
  }

  #opener(sender: Buffer): Opener {
    const name = sender.toString('latin1');
    const open = this.#openers.get(name);
    if (open !== undefined) return open;
    const stored = this.#parts.tables.openers.get(sender);
    const key = Buffer.from(sender);
    const before = Number(stored?.readBigUInt64BE() ?? 0n);
    const opener = { key, before, boxes: before };
    this.#openers.set(name, opener);
    return opener;
  }
}
