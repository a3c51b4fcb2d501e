import type { Subscriber } from 'rxjs';
import { HeaderStarts, locateV1, type Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import type { OpenedMessage } from './arrival.ts';
import { FairShares, type Place, type Sender } from './fair-shares.ts';
import { defaultBounds, InFlight, type Bounds } from './in-flight.ts';
import type { InboxStore, SequencedItem } from './inbox-store.ts';
import type { Delivery, InboxEvent } from './inbox.ts';
import { ReorgWords } from './reorg-words.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';
import { ToldNotices } from './told-notices.ts';

export type SequencedMessage = readonly [sequence: Sequence, record: MessageRecord];

export interface ConsumerParts {
  readonly store: InboxStore;
  /** In their order; undefined of one that does not open any more, and was put aside. */
  readonly open: (messages: readonly SequencedMessage[]) => Promise<readonly (OpenedMessage | undefined)[]>;
  /** `place`: to be released when it is acknowledged, or left. */
  readonly deliveryOf: (sequence: Sequence, record: MessageRecord, opened: OpenedMessage, place: Place) => Delivery;
  /** undefined: there is nothing to tell. */
  readonly eventOf: (item: Exclude<StreamItem, MessageRecord>) => Promise<InboxEvent | undefined>;
  /** Resolves when it is durable that these wait no more. Gives those that are there still, as they are now. */
  readonly handOver: (sequences: readonly Sequence[]) => Promise<ReadonlyMap<Sequence, MessageRecord>>;
  /** The subscriber is done with these notices: they are not handed out again. */
  readonly told: (sequences: readonly Sequence[]) => Promise<void>;
  /** Whether an id is a registered worker. */
  readonly isRegistered: (id: Hex) => boolean;
  /** Of what is handed out and not acknowledged. Default 1 024, 16 MiB. */
  readonly most?: Bounds;
}

/** Notices of which it may have so many for each delivery in flight: one that is not done with for long holds up no others. */
const noticesEach = 64;

/** What of a page is handed out. */
export interface Placed {
  /** Its beginning. */
  readonly part: readonly SequencedItem[];
  /** Of messages in it. */
  readonly places: Map<Sequence, Place>;
  /** Messages in it that are retracted, at their turn. */
  readonly lost: Set<Sequence>;
}

/**
 * What one subscriber is given and has in work: never more deliveries than it may have in flight, of no sender more than its
 * share, and the notices behind them.
 */
export class Consumer {
  readonly shares: FairShares;
  readonly #subscriber: Subscriber<InboxEvent>;
  readonly #parts: ConsumerParts;
  readonly #inFlight: InFlight;
  readonly #starts = new HeaderStarts();
  readonly #notices = new ToldNotices();
  readonly #mostNotices: number;
  readonly #reorgs = new ReorgWords();
  /** What was handed out and left undone: it waits for another subscriber. */
  readonly #left = new Set<Sequence>();
  /** What was done with since that was read which is gone through again, and says otherwise. */
  #doneMeanwhile: Set<Sequence> | undefined;
  #next: Sequence = 0n;
  #isGone = false;

  constructor(subscriber: Subscriber<InboxEvent>, parts: ConsumerParts) {
    const { isRegistered, most = defaultBounds } = parts;
    this.#subscriber = subscriber;
    this.#parts = parts;
    this.#inFlight = new InFlight(most);
    this.#mostNotices = noticesEach * most.count;
    this.shares = new FairShares(isRegistered, most);
  }

  /** It has unsubscribed, or was told how the stream ended. */
  get isGone(): boolean {
    return this.#isGone;
  }

  leave(): void {
    this.#isGone = true;
  }

  error(error: unknown): void {
    this.#subscriber.error(error);
  }

  complete(): void {
    this.#subscriber.complete();
  }

  /** What is before it was handed out, or passed over. */
  get next(): Sequence {
    return this.#next;
  }

  /** It is the turn of the last item before `next`; all that is before that has had its own. */
  wentOn(next: Sequence): void {
    this.#next = next;
    this.#reorgs.wentOn(next);
  }

  /** How many more items there is room for: none where too many notices wait until all before them is acknowledged. */
  get room(): number {
    return this.#notices.count < this.#mostNotices ? this.#inFlight.room : 0;
  }

  get hasRoom(): boolean {
    return !this.#isGone && this.room > 0;
  }

  /** What it was given is done with. */
  async acknowledged(sequences: readonly Sequence[]): Promise<void> {
    this.#inFlight.remove(sequences);
    if (this.#doneMeanwhile !== undefined) for (const sequence of sequences) this.#doneMeanwhile.add(sequence);
    if (this.#notices.count > 0) await this.#forgetNotices();
  }

  /** A message is left undone; of what a subscriber before was given nothing is noted: the present one is to have it. */
  left(sequence: Sequence): void {
    if (this.#inFlight.has(sequence)) this.#left.add(sequence);
  }

  /** A message is retracted at its turn. */
  lose(sequence: Sequence): void {
    this.#reorgs.lost(sequence);
  }

  /** While a part of the store is gone through again: what is done with meanwhile is not given again. */
  async goingThroughAgain<T>(work: () => Promise<T>): Promise<T> {
    this.#doneMeanwhile = new Set();
    try {
      return await work();
    } finally {
      this.#doneMeanwhile = undefined;
    }
  }

  /** Places for what is to be handed out of a page, as far as there is room in all. */
  async placeAll(page: readonly SequencedItem[], isBehind: boolean): Promise<Placed> {
    const [places, lost] = [new Map<Sequence, Place>(), new Set<Sequence>()];
    let hasWaited = false;
    let bytesPlaced = 0;
    for (const [i, [sequence, item]] of page.entries()) {
      if (item.kind !== 'message') continue;
      // What is passed over behind it in this page ends that it is due.
      if (isBehind && !this.#isDue(sequence, item)) continue;
      if (this.#wasHandedOut(sequence)) continue;
      if (isLost(item)) lost.add(sequence);
      if (item.isAcknowledged || item.isRetracted) continue;
      // All that is placed is given: what is passed over behind it would wait without it.
      if (this.#inFlight.roomBeside(places.size, bytesPlaced) <= 0) return { part: page.slice(0, i), places, lost };
      const sender = this.#senderOf(item);
      const placed = (): Place | 'waits' | 'full' =>
        this.shares.place(sequence, sender, item.envelope.length, isBehind);
      let place = placed();
      if (place === 'full' && !hasWaited) {
        await turnOfOthers();
        hasWaited = true;
        if (this.#isGone) return { part: [], places: new Map(), lost };
        place = placed();
      }
      if (typeof place === 'object') {
        places.set(sequence, place);
        bytesPlaced += place.bytes;
      } else if (place === 'full' && sender !== undefined) this.shares.passOver(sequence, sender);
    }
    return { part: page, places, lost };
  }

  /** What there is a place for, as it is when it is durable that it waits no more; what a reorg took meanwhile leaves its place. */
  async handOver({ part, places }: Placed): Promise<readonly SequencedMessage[]> {
    const wanted = part.filter((each): each is SequencedMessage => places.has(each[0]));
    const waiting = wanted.filter(([, { isWaiting }]) => isWaiting).map(([sequence]) => sequence);
    if (waiting.length === 0) return wanted;
    const present = await this.#parts.handOver(waiting);
    return wanted.flatMap(([sequence, record]): SequencedMessage[] => {
      const now = record.isWaiting ? present.get(sequence) : record;
      if (now !== undefined) return [[sequence, now]];
      places.get(sequence)?.release();
      places.delete(sequence);
      return [];
    });
  }

  /** undefined for `opened`: it does not open any more, and is told to be dead, but for what was not put aside: a reorg took it. */
  async give(
    sequence: Sequence,
    record: MessageRecord,
    opened: OpenedMessage | undefined,
    place: Place,
  ): Promise<void> {
    if (opened === undefined) {
      place.release();
      const item = await this.#parts.store.item(sequence);
      if (item?.kind !== 'message') await this.tell(sequence, { kind: 'dead', letter: sequence });
      else if (isLost(item)) this.#reorgs.lost(sequence);
      return;
    }
    if (record.isFinal && record.isReinstated) {
      // Where it was passed over, less is left of what the store tells of it, or nothing.
      const end = await this.#parts.store.nextSequence();
      if (end > this.#next) this.#reorgs.settled(sequence, end);
    }
    // In memory of its own: what was read with it is not to be kept for as long as it is at work on.
    this.deliver(sequence, { ...record, envelope: record.envelope.slice() }, opened, place);
  }

  /** Tells what is no message. */
  async tell(sequence: Sequence, item: Exclude<StreamItem, MessageRecord>): Promise<void> {
    const { eventOf, told } = this.#parts;
    const word = this.#reorgs.take(item);
    if (word !== 'told') {
      if (word === 'return') await this.#giveBack(item);
      await told([sequence]);
      return;
    }
    const event = await eventOf(item);
    if (this.#isGone) return;
    // A dead letter is in its list, heard of or not: whatever strangers send takes no place of a delivery.
    const isDone = event === undefined || item.kind === 'dead';
    if (!isDone) this.#notices.add(sequence, this.#inFlight.handedOut);
    if (event !== undefined) this.#subscriber.next(event);
    await (isDone ? told([sequence]) : this.#forgetNotices());
  }

  /** The message that a notice is of, where it waits still. */
  async #giveBack(item: Exclude<StreamItem, MessageRecord>): Promise<void> {
    if (!('of' in item)) return;
    const { of: sequence } = item;
    const record = await this.#parts.store.item(sequence);
    if (record?.kind !== 'message') return;
    if (this.#wasHandedOut(sequence)) return;
    if (isLost(record)) this.#reorgs.lost(sequence);
    if (record.isAcknowledged || record.isRetracted) return;
    const sender = this.#senderOf(record);
    const place = this.shares.place(sequence, sender, record.envelope.length);
    if (typeof place === 'object') {
      const [opened] = await this.#parts.open([[sequence, record]]);
      await this.give(sequence, record, opened, place);
    } else if (sender !== undefined) {
      if (place === 'full') this.shares.passOver(sequence, sender);
      else this.shares.waitAgain(sequence, sender);
    }
  }

  async #forgetNotices(): Promise<void> {
    const done = this.#notices.takeDone(this.#inFlight.oldest);
    if (done.length > 0) await this.#parts.told(done);
  }

  /** Hands out a message for which there is a place. */
  deliver(sequence: Sequence, record: MessageRecord, opened: OpenedMessage, place: Place): void {
    if (this.#isGone) return;
    this.#inFlight.add(sequence, place);
    this.#subscriber.next({ type: 'message', delivery: this.#parts.deliveryOf(sequence, record, opened, place) });
  }

  /** To this subscriber, of what the store has or what was read of it says. */
  #wasHandedOut(sequence: Sequence): boolean {
    return this.#inFlight.has(sequence) || this.#left.has(sequence) || this.#doneMeanwhile?.has(sequence) === true;
  }

  /** Of a stored message; undefined where it does not decode any more, which its opening tells. */
  #senderOf({ envelope }: MessageRecord): Sender | undefined {
    try {
      return locateV1(envelope, this.#starts)?.header;
    } catch (error) {
      if (isRelayError(error)) return undefined;
      throw error;
    }
  }

  #isDue(sequence: Sequence, record: MessageRecord): boolean {
    const sender = this.#senderOf(record);
    return sender !== undefined && this.shares.isDue(sequence, sender);
  }
}

/** Retracted, and not acknowledged before. */
function isLost({ isRetracted, isAcknowledged }: MessageRecord): boolean {
  return isRetracted && !isAcknowledged;
}

/** What others have to do meanwhile is done: who is done with a message by then is not slow. */
export function turnOfOthers(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
