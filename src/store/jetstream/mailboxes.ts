import type { Hex } from '../../codec/index.ts';
import { bury, type BurialTimes } from './burial.ts';
import { markOf, senderOf, storedAtOf } from './notes.ts';
import type { Shards } from './shard.ts';
import { Shares, sumBySender, type ShareChange } from './shares.ts';

/** One mailbox as this process knows it: exact where it alone writes, else as of the last notice. */
export interface Mailbox {
  /** Unacknowledged messages, and their bytes. */
  count: number;
  bytes: number;
  /** Newest sequence known; 0: none. */
  last: number;
  acknowledged: number;
  /** Sequence of its state in the stream; 0: it has none yet. */
  state: number;
  /** When that was written: Unix time, ms. */
  stateAt: number;
  /** Of the messages that count for somebody. */
  readonly shares: Shares;
}

interface Slot {
  readonly loading: Promise<Mailbox>;
  /** Once loaded. */
  mailbox?: Mailbox;
  readonly since: number;
}

const defaultMaxSlots = 50_000;
// A notice may be lost.
const maxAgeMs = 10 * 60_000;

/** What is known of mailboxes, as far as memory goes; the rest is asked of the streams. */
export class Mailboxes {
  readonly #shards: Shards;
  readonly #times: BurialTimes;
  readonly #maxSlots: number;
  readonly #slots = new Map<Hex, Slot>();
  /** Those that had nothing in them when they were loaded. */
  readonly #strangers = new Set<Hex>();

  constructor(shards: Shards, times: BurialTimes, maxSlots = defaultMaxSlots) {
    this.#shards = shards;
    this.#times = times;
    this.#maxSlots = maxSlots;
  }

  /** Throws mail-store-failed. */
  get(recipient: Hex): Promise<Mailbox> {
    const known = this.#slots.get(recipient);
    if (known !== undefined && performance.now() - known.since < maxAgeMs) return known.loading;
    return this.reload(recipient);
  }

  /** What is known already. */
  peek(recipient: Hex): Mailbox | undefined {
    return this.#slots.get(recipient)?.mailbox;
  }

  /** More or fewer messages than this process knew of. */
  change(recipient: Hex, changes: readonly ShareChange[], last = 0): void {
    const mailbox = this.peek(recipient);
    if (mailbox === undefined) return;
    mailbox.last = Math.max(mailbox.last, last);
    for (const change of changes) changeMailbox(mailbox, change);
  }

  /** It is read again when it is needed. */
  forget(recipient: Hex): void {
    this.#slots.delete(recipient);
    this.#strangers.delete(recipient);
  }

  /** Throws mail-store-failed. */
  reload(recipient: Hex): Promise<Mailbox> {
    const slot: Slot = { loading: this.#load(recipient), since: performance.now() };
    this.#slots.delete(recipient);
    this.#slots.set(recipient, slot);
    slot.loading.then(
      (mailbox) => {
        slot.mailbox = mailbox;
        if (isUnused(mailbox)) this.#strangers.add(recipient);
        else this.#strangers.delete(recipient);
      },
      () => {
        if (this.#slots.get(recipient) === slot) this.#slots.delete(recipient);
      },
    );
    this.#makeRoom();
    return slot.loading;
  }

  /** Notices may have been missed. */
  forgetAll(): void {
    this.#slots.clear();
    this.#strangers.clear();
  }

  /** Anyone may ask for a mailbox of its own: what is forgotten first is one that nobody has written to. */
  #makeRoom(): void {
    if (this.#slots.size <= this.#maxSlots) return;
    for (const recipient of this.#strangers) {
      this.#strangers.delete(recipient);
      const mailbox = this.peek(recipient);
      if (mailbox !== undefined && isUnused(mailbox)) {
        this.#slots.delete(recipient);
        return;
      }
    }
    const [oldest] = this.#slots.keys();
    if (oldest !== undefined) this.#slots.delete(oldest);
  }

  /** Reads the state of a mailbox again. Throws mail-store-failed. */
  async reloadState(recipient: Hex, mailbox: Mailbox): Promise<void> {
    const { stream, mailbox: subject } = this.#shards.of(recipient);
    const state = await this.#shards.leader.message(stream, { last_by_subj: subject });
    mailbox.state = state?.sequence ?? 0;
    mailbox.stateAt = state === undefined ? 0 : storedAtOf(state.note);
    mailbox.acknowledged = state === undefined ? 0 : Number(markOf(state.note));
  }

  async #load(recipient: Hex): Promise<Mailbox> {
    const { stream, mail: subject } = this.#shards.of(recipient);
    const shares = new Shares();
    const mailbox: Mailbox = { count: 0, bytes: 0, last: 0, acknowledged: 0, state: 0, stateAt: 0, shares };
    await this.reloadState(recipient, mailbox);
    if (mailbox.acknowledged > 0) await this.#finish(recipient, mailbox.acknowledged);
    const { messages, pending } = await this.#shards.direct.read(stream, { seq: 1, next_by_subj: subject, batch: 1 });
    const headers =
      pending > 0
        ? await this.#shards.headers.list(stream, subject)
        : messages.map(({ data, note }) => ({ size: data.length, sender: senderOf(note) }));
    for (const change of sumBySender(headers, 1)) changeMailbox(mailbox, change);
    return mailbox;
  }

  /** A process may have ended when it had written what is acknowledged, and neither the tombstones nor the removal. */
  async #finish(recipient: Hex, acknowledged: number): Promise<void> {
    const place = this.#shards.of(recipient);
    const { leader, headers } = this.#shards;
    const first = await leader.message(place.stream, { seq: 1, next_by_subj: place.mail });
    if (first === undefined || first.sequence > acknowledged) return;
    const gone = await headers.list(place.stream, place.mail, acknowledged);
    const isRoom = await bury(place, gone, this.#times);
    await leader.purge(place.stream, place.mail, acknowledged + 1);
    if (!isRoom) await bury(place, gone, this.#times);
  }
}

/** Nobody has written to it for long, or ever. */
function isUnused({ state, count }: Mailbox): boolean {
  return state === 0 && count === 0;
}

export function changeMailbox(mailbox: Mailbox, change: ShareChange): void {
  mailbox.count = Math.max(0, mailbox.count + change.count);
  mailbox.bytes = Math.max(0, mailbox.bytes + change.bytes);
  mailbox.shares.change(change);
}
