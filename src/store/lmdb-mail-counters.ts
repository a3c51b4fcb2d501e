import type { Hex } from '../codec/index.ts';
import * as layout from './lmdb-mail-layout.ts';
import type { MailTables } from './lmdb-mail-tables.ts';

/** A mailbox that a transaction changes, with what it holds of each sender. */
export interface OpenBox extends layout.Box {
  readonly key: Buffer;
  readonly isStored: boolean;
  readonly shares: Map<string, OpenShare>;
}

/** What a mailbox holds of one sender. */
export interface OpenShare extends layout.Share {
  readonly key: Buffer;
  readonly isStored: boolean;
}

const totalsKey = Buffer.from('totals');

/** What mailboxes hold, in all and of each sender: read once in a transaction, and written once for all that it appends and deletes. */
export class LmdbMailCounters {
  readonly #tables: MailTables;
  // Of the transaction that is being built.
  #boxes = new Map<Hex, OpenBox>();
  #totals: layout.Totals | undefined;

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
    return (this.#totals ??= this.storedTotals());
  }

  box(recipient: Hex): OpenBox {
    const open = this.#boxes.get(recipient);
    if (open !== undefined) return open;
    const key = layout.idKey(recipient);
    const stored = this.#tables.boxes.get(key);
    const box = stored === undefined ? layout.newBox(this.totals()) : layout.decodeBox(stored);
    const opened = { ...box, key, isStored: stored !== undefined, shares: new Map<string, OpenShare>() };
    this.#boxes.set(recipient, opened);
    return opened;
  }

  /** `sender`: latin1. */
  share({ key: recipient, shares }: OpenBox, sender: string): OpenShare {
    const open = shares.get(sender);
    if (open !== undefined) return open;
    const key = Buffer.concat([recipient, Buffer.from(sender, 'latin1')]);
    const stored = this.#tables.shares.get(key);
    const share = { ...layout.decodeShare(stored), key, isStored: stored !== undefined };
    shares.set(sender, share);
    return share;
  }

  write(): void {
    const { shares, meta } = this.#tables;
    for (const box of this.#boxes.values()) {
      this.#writeBox(box);
      for (const share of box.shares.values())
        if (share.count > 0) shares.putSync(share.key, layout.encodeShare(share));
        else if (share.isStored) shares.removeSync(share.key);
    }
    if (this.#totals !== undefined) meta.putSync(totalsKey, layout.encodeTotals(this.#totals));
  }

  /** One that is empty leaves nothing behind but where the next one begins: a cursor is never given twice. */
  #writeBox(box: OpenBox): void {
    const totals = this.totals();
    const isEmpty = box.count === 0;
    if (!isEmpty) this.#tables.boxes.putSync(box.key, layout.encodeBox(box));
    else if (box.isStored) this.#tables.boxes.removeSync(box.key);
    if (isEmpty && box.last > totals.floor) totals.floor = box.last;
    totals.boxes += Number(!isEmpty) - Number(box.isStored);
  }
}
