import type { Hex } from '../codec/index.ts';
import { asRelayError } from '../errors/index.ts';
import { DiskRoom } from './disk-room.ts';
import type { Append, Numbered, OnDisk } from './early-mail.ts';
import { GroupCommit } from './group-commit.ts';
import { chunk, MailChanges } from './lmdb-mail-changes.ts';
import { LmdbMailCounters } from './lmdb-mail-counters.ts';
import { idKeyOf, LmdbMailIds } from './lmdb-mail-ids.ts';
import * as layout from './lmdb-mail-layout.ts';
import type { OpenMailTables } from './lmdb-mail-tables.ts';
import { LmdbReplyBoxes } from './lmdb-reply-boxes.ts';
import { whyAllFull, whyFull, type Fill, type MailQuota } from './mail-quota.ts';
import type { Appended } from './mail-store.ts';

export interface MailWriterOptions {
  /** Folder of the environment. */
  readonly path: string;
  readonly quota: Required<MailQuota>;
  /** Unix time, ms. */
  readonly now: () => number;
}

/** Writes to mailboxes, in as few transactions as there can be. Each call throws mail-store-failed. */
export class MailWriter {
  readonly #quota: Required<MailQuota>;
  readonly #commits: GroupCommit;
  readonly #counters: LmdbMailCounters;
  readonly #ids: LmdbMailIds;
  readonly #changes: MailChanges;

  constructor({ env, tables }: OpenMailTables, { path, quota, now }: MailWriterOptions) {
    this.#quota = quota;
    this.#counters = new LmdbMailCounters(tables);
    const replyBoxes = new LmdbReplyBoxes({
      ...{ tables, now },
      counted: (more) => {
        this.#counters.totals().replyBoxes += more;
      },
    });
    const { mailHeads: _sameAsMail, ...databases } = tables;
    const room = new DiskRoom({
      ...{ path, root: env, named: Object.values(databases) },
      failed: (error) => asRelayError(error, 'mail-store-failed', { action: 'write' }),
    });
    this.#ids = new LmdbMailIds({ tables, room, now, chunk });
    this.#changes = new MailChanges({ tables, quota, now, room, counters: this.#counters, replyBoxes, ids: this.#ids });
    this.#commits = new GroupCommit(
      (action) =>
        // A child is rolled back as a whole where a write in it fails.
        room.during(
          (begun) => env.childTransaction(begun),
          () => {
            this.#counters.begin();
            replyBoxes.begin();
            this.#ids.begin();
            action();
            replyBoxes.write();
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
      const appended = await this.#commits.run(() => this.#changes.append(append, idKey, numbered));
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
    while (await this.#commits.run(() => this.#changes.ack(recipient, upTo)));
  }

  /** Ends what was stored before a time; gives how many. */
  async expire(recipient: Hex, before: number): Promise<number> {
    for (let expired = 0; ;) {
      const { count, more } = await this.#commits.run(() => this.#changes.expire(recipient, before));
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
      this.#changes.try();
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
}

function sum(a: Fill, b: Fill): Fill {
  return { count: a.count + b.count, bytes: a.bytes + b.bytes };
}
