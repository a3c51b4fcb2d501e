import { Observable, type Subscriber } from 'rxjs';
import { HeaderStarts, locateV1, type Hex } from '../codec/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import type { OpenedMessage, Outcome } from './arrival.ts';
import { FairShares, type Place, type Sender } from './fair-shares.ts';
import { defaultBounds, InFlight, type Bounds } from './in-flight.ts';
import type { InboxStore, SequencedItem } from './inbox-store.ts';
import type { Delivery, InboxEvent } from './inbox.ts';
import { Offered } from './offered.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';
import { ToldNotices } from './told-notices.ts';

/** Items read and opened at once, at most … */
const mostItems = 64;
/** … and about so many bytes of messages. */
const pageBytes = 2 ** 20;

export type SequencedMessage = readonly [sequence: Sequence, record: MessageRecord];

export interface DispatcherParts {
  readonly store: InboxStore;
  /** In their order; undefined of one that does not open any more, and was put aside. */
  readonly open: (messages: readonly SequencedMessage[]) => Promise<readonly (OpenedMessage | undefined)[]>;
  /** `place`: to be released when it is acknowledged, or left. */
  readonly deliveryOf: (sequence: Sequence, record: MessageRecord, opened: OpenedMessage, place: Place) => Delivery;
  /** undefined: there is nothing to tell. */
  readonly eventOf: (item: Exclude<StreamItem, MessageRecord>) => Promise<InboxEvent | undefined>;
  /** Resolves when what was acknowledged is durable. */
  readonly settled: () => Promise<void>;
  /** Resolves when it is durable that these wait no more. Gives those that are there still, as they are now. */
  readonly handOver: (sequences: readonly Sequence[]) => Promise<ReadonlyMap<Sequence, MessageRecord>>;
  /** The subscriber is done with these notices: they are not handed out again. */
  readonly told: (sequences: readonly Sequence[]) => Promise<void>;
  /** Whether an id is a registered worker. */
  readonly isRegistered: (id: Hex) => boolean;
  /** Of what is handed out and not acknowledged. Default 1 024, 16 MiB. */
  readonly most?: Bounds;
}

/** What of a page is handed out. */
interface Placed {
  /** Its beginning. */
  readonly part: readonly SequencedItem[];
  /** Of messages in it. */
  readonly places: Map<Sequence, Place>;
  /** Messages in it that are retracted, at their turn. */
  readonly lost: Set<Sequence>;
}

/**
 * Hands stored items to the one subscriber in the order of acceptance, never more deliveries than it can have in flight:
 * the store is the queue, memory stays flat. What is beyond the share of its sender is passed over, and handed out later.
 */
export class Dispatcher {
  readonly events$: Observable<InboxEvent>;
  readonly #parts: DispatcherParts;
  readonly #inFlight: InFlight;
  readonly #shares: FairShares;
  readonly #starts = new HeaderStarts();
  readonly #offered = new Offered();
  #isHandingOut = false;
  #pageSize = 16;
  readonly #notices = new ToldNotices();
  /** Messages that were retracted when it was their turn. */
  readonly #retracted = new Set<Sequence>();
  /** What was handed out and left undone: it waits for another subscriber. */
  readonly #left = new Set<Sequence>();
  /** What was done with since that was read which is gone through again, and says otherwise. */
  #doneMeanwhile: Set<Sequence> | undefined;
  #subscriber: Subscriber<InboxEvent> | undefined;
  /** What is before it was handed out, or passed over. */
  #next: Sequence = 0n;
  /** The store is known to have items up to it. */
  #known: Sequence = 0n;
  /** Of what another one acknowledged before some may not be durable yet. */
  #isNew = false;
  #running: Promise<void> | undefined;
  #isWoken = false;
  /** How the stream ended, for who subscribes later. */
  #ended: ((subscriber: Subscriber<InboxEvent>) => void) | undefined;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    const { isRegistered, most = defaultBounds } = parts;
    this.#inFlight = new InFlight(most);
    this.#shares = new FairShares(isRegistered, most);
    this.events$ = new Observable((subscriber) => {
      if (this.#subscriber !== undefined) {
        subscriber.error(new RelayError('inbox-subscribed'));
        return undefined;
      }
      if (this.#ended !== undefined) {
        this.#ended(subscriber);
        return undefined;
      }
      this.#subscriber = subscriber;
      this.#beginAnew();
      this.wake();
      return () => {
        if (this.#subscriber === subscriber) this.#subscriber = undefined;
      };
    });
  }

  /** Looks for items to hand out. */
  wake(): void {
    this.#isWoken = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isWoken) this.wake();
    });
  }

  /**
   * What was just accepted is handed out as it is, where the subscriber has had all before it; the rest from the store,
   * which has items up to `end`.
   */
  offer(outcomes: readonly Outcome[], end: Sequence): void {
    this.#known = end;
    const isIdle = this.#running === undefined;
    if (isIdle || !this.#offered.isEmpty) this.#offered.add(outcomes);
    const isHeldUp = isIdle && (this.#shares.canResume || this.#handOutOffered() === 'full');
    // One that runs may be past its last look already, at what has room again too.
    const isPast = !isIdle && (end > this.#next || this.#shares.canResume);
    if (isHeldUp || isPast || (end > this.#next && this.#offered.isEmpty)) this.wake();
  }

  /** What was handed out is done with: there is room for more, which the next offer uses. */
  acknowledged(sequences: readonly Sequence[]): void {
    this.#inFlight.remove(sequences);
    if (this.#doneMeanwhile !== undefined) for (const sequence of sequences) this.#doneMeanwhile.add(sequence);
    if (this.#notices.count === 0) return;
    this.#forgetNotices().catch((error: unknown) => {
      this.fail(error);
    });
  }

  /** What was handed out is left undone: there is room for more. */
  left(sequence: Sequence): void {
    // Not of what a subscriber before was given: the present one is to have it.
    if (this.#inFlight.has(sequence)) this.#left.add(sequence);
    this.acknowledged([sequence]);
    this.wake();
  }

  fail(error: unknown): void {
    this.#end((subscriber) => {
      subscriber.error(error);
    });
  }

  async stop(): Promise<void> {
    const subscriber = this.#subscriber;
    this.#subscriber = undefined;
    await this.#running;
    this.#ended ??= (late) => {
      late.complete();
    };
    subscriber?.complete();
  }

  #end(tell: (subscriber: Subscriber<InboxEvent>) => void): void {
    this.#ended ??= tell;
    if (this.#subscriber !== undefined) tell(this.#subscriber);
  }

  #beginAnew(): void {
    this.#next = 0n;
    this.#inFlight.clear();
    this.#shares.clear();
    this.#offered.clear();
    this.#notices.clear();
    this.#retracted.clear();
    this.#left.clear();
    this.#isNew = true;
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWoken && this.#subscriber !== undefined) {
        this.#isWoken = false;
        await this.#handOut(this.#subscriber);
      }
      this.#isWoken = false;
    } catch (error) {
      this.#isWoken = false;
      this.fail(error);
    }
  }

  async #handOut(to: Subscriber<InboxEvent>): Promise<void> {
    if (this.#isNew) {
      this.#isNew = false;
      await this.#parts.settled();
    }
    await this.#goThroughAgain(to);
    if (this.#handOutOffered() === 'full') {
      await turnOfOthers();
      this.#handOutOffered(true);
    }
    while (this.#servesMore(to)) {
      // As of now: what is accepted while the store reads may not be in what it reads.
      const known = this.#known;
      const page = await this.#parts.store.itemsFrom(this.#next, Math.min(this.#pageSize, this.#room));
      if (page.length === 0) {
        // The subscriber has had all: what is accepted next comes as it is.
        if (this.#subscriber === to && known > this.#next) this.#next = known;
        return;
      }
      await this.#handOutPage(to, page);
      await this.#goThroughAgain(to);
    }
  }

  /** Hands out what was passed over, of those who have room again. */
  async #goThroughAgain(to: Subscriber<InboxEvent>): Promise<void> {
    for (;;) {
      const from = this.#shares.resume();
      if (from === undefined || !this.#servesMore(to)) return;
      this.#doneMeanwhile = new Set();
      const page = await this.#parts.store.itemsFrom(from, this.#pageSize);
      const behind = page.filter(([sequence]) => sequence < this.#next);
      const isWhole = await this.#handOutPage(to, behind, true);
      this.#doneMeanwhile = undefined;
      if (isWhole && (page.length === 0 || behind.length < page.length)) this.#shares.caughtUp();
    }
  }

  /** Gives whether it came to its end. `isBehind`: it was gone through before, and what waits is handed out of it. */
  async #handOutPage(to: Subscriber<InboxEvent>, page: readonly SequencedItem[], isBehind = false): Promise<boolean> {
    const { part, places, lost } = await this.#placeAll(to, page, isBehind);
    const wanted = await this.#handOver(part, places);
    const opened = await this.#parts.open(wanted);
    const bySequence = new Map(wanted.map(([sequence, record], i) => [sequence, { record, opened: opened[i] }]));
    for (const [sequence, item] of part) {
      if (!this.#servesMore(to)) {
        for (const [placed, place] of places) if (placed >= sequence) place.release();
        return false;
      }
      if (isBehind) this.#shares.wentOn(sequence + 1n);
      else if (sequence < this.#next) continue;
      else this.#next = sequence + 1n;
      const [place, message] = [places.get(sequence), bySequence.get(sequence)];
      if (item.kind !== 'message') {
        if (!isBehind) await this.#tell(to, sequence, item);
      } else if (place !== undefined && message !== undefined)
        await this.#give(to, sequence, message.record, message.opened, place);
      else if (lost.has(sequence)) this.#retracted.add(sequence);
    }
    return part.length === page.length;
  }

  /** What there is a place for, as it is when it is durable that it waits no more; what a reorg took meanwhile leaves its place. */
  async #handOver(part: readonly SequencedItem[], places: Map<Sequence, Place>): Promise<readonly SequencedMessage[]> {
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

  /** Places for what is to be handed out of a page, as far as there is room in all. */
  async #placeAll(to: Subscriber<InboxEvent>, page: readonly SequencedItem[], isBehind: boolean): Promise<Placed> {
    const [places, lost] = [new Map<Sequence, Place>(), new Set<Sequence>()];
    let hasWaited = false;
    let bytes = 1;
    let bytesPlaced = 0;
    for (const [i, [sequence, item]] of page.entries()) {
      if (item.kind !== 'message') continue;
      bytes += item.envelope.length;
      // What is passed over behind it in this page ends that it is due.
      if (isBehind && !this.#isDue(sequence, item)) continue;
      if (this.#wasHandedOut(sequence)) continue;
      if (isLost(item)) lost.add(sequence);
      if (item.isAcknowledged || item.isRetracted) continue;
      // All that is placed is given: what is passed over behind it would wait without it.
      if (!this.#hasRoomBeside(places.size, bytesPlaced)) return { part: page.slice(0, i), places, lost };
      const sender = this.#senderOf(item);
      const placed = (): Place | 'waits' | 'full' =>
        this.#shares.place(sequence, sender, item.envelope.length, isBehind);
      let place = placed();
      if (place === 'full' && !hasWaited) {
        await turnOfOthers();
        hasWaited = true;
        if (this.#subscriber !== to) return { part: [], places: new Map(), lost };
        place = placed();
      }
      if (typeof place === 'object') {
        places.set(sequence, place);
        bytesPlaced += place.bytes;
      } else if (place === 'full' && sender !== undefined) this.#shares.passOver(sequence, sender);
    }
    this.#pageSize = Math.min(mostItems, Math.max(1, Math.floor((pageBytes * page.length) / bytes)));
    return { part: page, places, lost };
  }

  /** As it is, as long as nothing is before it and it is final: no reorg changes it while it waits for room. The store has it too. */
  #handOutOffered(passesOver = false): 'full' | undefined {
    if (this.#isHandingOut) return undefined;
    this.#isHandingOut = true;
    try {
      for (;;) {
        const to = this.#subscriber;
        const outcome = this.#offered.first;
        if (to === undefined || outcome?.type !== 'message' || outcome.sequence !== this.#next) break;
        const { sequence, record, opened } = outcome;
        if (!record.isFinal) break;
        if (!this.#servesMore(to)) return undefined;
        const place = this.#shares.place(sequence, opened.header, record.envelope.length);
        if (place === 'full') {
          if (!passesOver) return place;
          this.#shares.passOver(sequence, opened.header);
        }
        this.#offered.shift();
        this.#next += 1n;
        if (typeof place === 'object') this.#deliver(to, sequence, record, opened, place);
      }
      this.#offered.clear();
      return undefined;
    } finally {
      this.#isHandingOut = false;
    }
  }

  /** How many more items there is room for. Notices leave theirs when all before them is acknowledged. */
  get #room(): number {
    return this.#inFlight.room - this.#notices.count;
  }

  #hasRoomBeside(count: number, bytes: number): boolean {
    return this.#inFlight.roomBeside(count, bytes) > this.#notices.count;
  }

  /** Not any more once another one subscribed: that one begins anew. */
  #servesMore(to: Subscriber<InboxEvent>): boolean {
    return this.#subscriber === to && this.#room > 0;
  }

  /** To the present subscriber, of what the store has or what was read of it says. */
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
    return sender !== undefined && this.#shares.isDue(sequence, sender);
  }

  async #give(
    to: Subscriber<InboxEvent>,
    sequence: Sequence,
    record: MessageRecord,
    opened: OpenedMessage | undefined,
    place: Place,
  ): Promise<void> {
    if (opened === undefined) {
      place.release();
      await this.#tell(to, sequence, { kind: 'dead', letter: sequence });
    }
    // In memory of its own: what was read with it is not to be kept for as long as it is at work on.
    else this.#deliver(to, sequence, { ...record, envelope: record.envelope.slice() }, opened, place);
  }

  async #tell(to: Subscriber<InboxEvent>, sequence: Sequence, item: Exclude<StreamItem, MessageRecord>): Promise<void> {
    const { store, eventOf, told } = this.#parts;
    if (item.kind === 'reinstated' && this.#retracted.delete(item.of)) {
      const message = await store.item(item.of);
      if (message?.kind === 'message') await this.#giveReinstated(to, item.of, message);
      await told([sequence]);
      return;
    }
    const event = await eventOf(item);
    if (this.#subscriber !== to) return;
    this.#notices.add(sequence, this.#inFlight.handedOut);
    if (event !== undefined) to.next(event);
    await this.#forgetNotices();
  }

  async #giveReinstated(to: Subscriber<InboxEvent>, sequence: Sequence, record: MessageRecord): Promise<void> {
    if (this.#wasHandedOut(sequence)) return;
    if (isLost(record)) this.#retracted.add(sequence);
    if (record.isAcknowledged || record.isRetracted) return;
    const sender = this.#senderOf(record);
    const place = this.#shares.place(sequence, sender, record.envelope.length);
    if (typeof place === 'object') {
      const [opened] = await this.#parts.open([[sequence, record]]);
      await this.#give(to, sequence, record, opened, place);
    } else if (sender !== undefined) {
      if (place === 'full') this.#shares.passOver(sequence, sender);
      else this.#shares.waitAgain(sequence, sender);
    }
  }

  async #forgetNotices(): Promise<void> {
    const done = this.#notices.takeDone(this.#inFlight.oldest);
    if (done.length > 0) await this.#parts.told(done);
  }

  #deliver(
    to: Subscriber<InboxEvent>,
    sequence: Sequence,
    record: MessageRecord,
    opened: OpenedMessage,
    place: Place,
  ): void {
    if (this.#subscriber !== to) return;
    this.#inFlight.add(sequence, place);
    to.next({ type: 'message', delivery: this.#parts.deliveryOf(sequence, record, opened, place) });
  }
}

/** Retracted, and not acknowledged before. */
function isLost({ isRetracted, isAcknowledged }: MessageRecord): boolean {
  return isRetracted && !isAcknowledged;
}

/** What others have to do meanwhile is done: who is done with a message by then is not slow. */
function turnOfOthers(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
