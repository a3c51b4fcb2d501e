import type { Hex } from '../codec/index.ts';
import type { Fill, Origin } from './mail-quota.ts';
import type { Mail } from './mail-store.ts';

/** One message as it is appended. */
export interface Append {
  readonly recipient: Hex;
  readonly messageId: Hex;
  readonly bytes: Uint8Array;
  readonly origin: Origin | undefined;
  readonly sentAt: number;
}

/** The cursor that a message was given; where it has none yet: the least that it may have. */
export interface Numbered {
  readonly given: bigint | undefined;
  readonly least: bigint;
}

/** What the disk holds now. */
export interface OnDisk {
  readonly box: Fill;
  /** What the mailbox holds of the sender. */
  readonly share: Fill;
  /** Of all mailboxes. */
  readonly bytes: number;
}

export interface EarlyMailParts {
  /** First cursor that no mailbox has given before, even where the process ended while what it had given was not durable. */
  readonly least: bigint;
  readonly now: () => number;
  /** Whether somebody reads the mailbox. */
  readonly isRead: (recipient: Hex) => boolean;
  /** Newest cursor of a mailbox on the disk. */
  readonly last: (recipient: Hex) => bigint;
  /** Whether the disk has the message. */
  readonly isKnown: (append: Append) => boolean;
  /** Whether the disk takes the message, with what is on the way to it. */
  readonly hasRoom: (append: Append, onTheWay: OnDisk) => boolean;
}

/** A mailbox with appends of which it is not known whether they are durable. */
interface Box {
  /** What is on the disk of this mailbox has cursors up to here. */
  settled: bigint;
  /** Newest cursor that was given. */
  last: bigint;
  /** Appends that get their cursors on the disk: none is given before that. */
  unnumbered: number;
  /** By message id, in the order of their cursors. */
  readonly mails: Map<Hex, Mail>;
  readonly shares: Map<Hex, Fill>;
  readonly fill: Fill;
}

/**
 * Messages on their way to the disk: who waits for them gets them at once, for only their sender was promised that they last.
 * They have their cursors from here, which are never given twice: what becomes of them, or of the process, leaves a gap.
 */
export class EarlyMail {
  readonly #parts: EarlyMailParts;
  readonly #boxes = new Map<Hex, Box>();
  #bytes = 0;
  #least: bigint;
  #greatest = 0n;

  constructor(parts: EarlyMailParts) {
    this.#parts = parts;
    this.#least = parts.least;
  }

  /** Before an append: its cursor, where it is one to have early. To be ended in either case. */
  begin(append: Append): Numbered {
    const { recipient, messageId, bytes, origin } = append;
    const box = this.#boxes.get(recipient) ?? this.#open(recipient);
    const isEarly = this.#isEarly(box, append);
    this.#bytes += bytes.length;
    const cursor = box.last < this.#least ? this.#least : box.last + 1n;
    if (!isEarly) {
      box.unnumbered += 1;
      return { given: undefined, least: cursor };
    }
    box.last = cursor;
    if (cursor > this.#greatest) this.#greatest = cursor;
    box.mails.set(messageId, { cursor, messageId, storedAt: this.#parts.now(), bytes });
    count(box.fill, 1, bytes.length);
    if (origin !== undefined) count(shareOf(box, origin.sender), 1, bytes.length);
    return { given: cursor, least: cursor };
  }

  /** It is durable; `cursor`: where it is. */
  stored(append: Append, given: bigint | undefined, cursor: bigint): void {
    this.#end(append, given, cursor);
  }

  /** It was not stored, or nobody knows. */
  failed(append: Append, given: bigint | undefined): void {
    // Others that were given cursors with it may have failed as well.
    if (given !== undefined && this.#greatest >= this.#least) this.#least = this.#greatest + 1n;
    this.#end(append, given, given ?? 0n);
  }

  /** Those of a mailbox, oldest first, with the cursor up to which all others are on the disk; undefined: all are. */
  of(recipient: Hex): { readonly mails: ReadonlyMap<Hex, Mail>; readonly settled: bigint } | undefined {
    return this.#boxes.get(recipient);
  }

  #open(recipient: Hex): Box {
    const last = this.#parts.last(recipient);
    const box: Box = {
      ...{ settled: last, last, unnumbered: 0 },
      ...{ mails: new Map(), shares: new Map(), fill: { count: 0, bytes: 0 } },
    };
    this.#boxes.set(recipient, box);
    return box;
  }

  #isEarly(box: Box, append: Append): boolean {
    const { recipient, messageId, origin } = append;
    const { isRead, isKnown, hasRoom } = this.#parts;
    // Where room is made for it, that is on the disk.
    if (box.unnumbered > 0 || origin?.maxBoxes !== undefined || !isRead(recipient)) return false;
    if (box.mails.has(messageId) || isKnown(append)) return false;
    const share = (origin && box.shares.get(origin.sender)) ?? { count: 0, bytes: 0 };
    return hasRoom(append, { box: box.fill, share, bytes: this.#bytes });
  }

  #end({ recipient, messageId, bytes, origin }: Append, given: bigint | undefined, cursor: bigint): void {
    this.#bytes -= bytes.length;
    const box = this.#boxes.get(recipient);
    if (box === undefined) return;
    if (cursor > box.settled) box.settled = cursor;
    if (cursor > box.last) box.last = cursor;
    if (given === undefined) box.unnumbered -= 1;
    else {
      box.mails.delete(messageId);
      count(box.fill, -1, -bytes.length);
      if (origin !== undefined && count(shareOf(box, origin.sender), -1, -bytes.length) === 0)
        box.shares.delete(origin.sender);
    }
    if (box.unnumbered === 0 && box.mails.size === 0) this.#boxes.delete(recipient);
  }
}

function shareOf({ shares }: Box, sender: Hex): Fill {
  const share = shares.get(sender) ?? { count: 0, bytes: 0 };
  shares.set(sender, share);
  return share;
}

/** How many messages there are then. */
function count(fill: Fill, messages: number, bytes: number): number {
  fill.bytes += bytes;
  return (fill.count += messages);
}
