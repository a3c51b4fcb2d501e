import type { Hex } from '../codec/index.ts';
import * as layout from './lmdb-mail-layout.ts';
import type { Binary, MailTables } from './lmdb-mail-tables.ts';

/** A mailbox that a transaction changes, with what it holds of each sender. */
export interface OpenBox extends layout.Box {
  readonly key: Buffer;
  /** What it was; undefined: it is not stored. */
  readonly before: Buffer | undefined;
  readonly shares: Map<string, OpenShare>;
}

/** What a mailbox holds of one sender. */
export interface OpenShare extends layout.Share {
  readonly key: Buffer;
  /** What it was; undefined: it is not stored. */
  readonly before: Buffer | undefined;
}

type OpenTotals = layout.Totals & Pick<OpenBox, 'key' | 'before'>;

const totalsKey = Buffer.from('totals');

/** What mailboxes hold, in all and of each sender: read once in a transaction, and written once for all that it appends and deletes. */
export class LmdbMailCounters {
  readonly #tables: MailTables;
  // Of the transaction that is being built.
  #boxes = new Map<Hex, OpenBox>();
  #totals: OpenTotals | undefined;

  constructor(tables: MailTables) {
    this.#tables = tables;
  }

  /** As it is stored. */
  storedTotals(): layout.Totals {
    return layout.decodeTotals(this.#tables.meta.get(totalsKey));
  }

  /** As it is stored; what is new of an empty mailbox begins where the last one that was forgotten ended. */
  storedBox(recipient: Hex): layout.Box {
    const stored = this.#tables.boxes.get(layout.idKey(recipient));
    return stored === undefined ? layout.newBox(this.storedTotals()) : layout.decodeBox(stored);
  }

  /** As it is stored, of one sender. */
  storedShare(recipient: Hex, sender: Hex): layout.Share {
    return layout.decodeShare(this.#tables.shares.get(Buffer.concat([layout.idKey(recipient), layout.idKey(sender)])));
  }

  /** Another transaction is being built. */
  begin(): void {
    this.#boxes = new Map();
    this.#totals = undefined;
  }

  totals(): layout.Totals {
    if (this.#totals !== undefined) return this.#totals;
    const totals = this.storedTotals();
    const opened = { ...totals, key: totalsKey, before: layout.encodeTotals(totals) };
    this.#totals = opened;
    return opened;
  }

  box(recipient: Hex): OpenBox {
    const open = this.#boxes.get(recipient);
    if (open !== undefined) return open;
    const key = layout.idKey(recipient);
    const stored = this.#tables.boxes.get(key);
    const box = stored === undefined ? layout.newBox(this.totals()) : layout.decodeBox(stored);
    const before = stored && layout.encodeBox(box);
    const opened = { ...box, key, before, shares: new Map<string, OpenShare>() };
    this.#boxes.set(recipient, opened);
    return opened;
  }

  /** `sender`: latin1. */
  share({ key: recipient, shares }: OpenBox, sender: string): OpenShare {
    const open = shares.get(sender);
    if (open !== undefined) return open;
    const key = Buffer.concat([recipient, Buffer.from(sender, 'latin1')]);
    const stored = this.#tables.shares.get(key);
    const share = layout.decodeShare(stored);
    const opened = { ...share, key, before: stored && layout.encodeShare(share) };
    shares.set(sender, opened);
    return opened;
  }

  write(): void {
    const { shares, meta } = this.#tables;
    for (const box of this.#boxes.values()) {
      this.#writeBox(box);
      for (const share of box.shares.values())
        putChanged(shares, share, share.count > 0 ? layout.encodeShare(share) : undefined);
    }
    if (this.#totals !== undefined) putChanged(meta, this.#totals, layout.encodeTotals(this.#totals));
  }

  /** One that is empty leaves nothing behind but where the next one begins: a cursor is never given twice. */
  #writeBox(box: OpenBox): void {
    const totals = this.totals();
    const isEmpty = box.count === 0;
    putChanged(this.#tables.boxes, box, isEmpty ? undefined : layout.encodeBox(box));
    if (isEmpty && box.last > totals.floor) totals.floor = box.last;
    totals.boxes += Number(!isEmpty) - Number(box.before !== undefined);
  }
}

/** What was refused changed nothing. */
function putChanged(table: Binary, { key, before }: Pick<OpenBox, 'key' | 'before'>, value: Buffer | undefined): void {
  if (value === undefined) {
    if (before !== undefined) table.removeSync(key);
  } else if (before?.equals(value) !== true) table.putSync(key, value);
}
