import { Observable, type Subscriber } from 'rxjs';
import { RelayError } from '../errors/index.ts';
import type { OpenedMessage, Outcome } from './arrival.ts';
import { InFlight } from './in-flight.ts';
import type { InboxStore, SequencedItem } from './inbox-store.ts';
import type { Delivery, InboxEvent } from './inbox.ts';
import { Offered } from './offered.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';

/** Items read and opened at once, at most … */
const mostItems = 64;
/** … and about so many bytes of messages. */
const pageBytes = 2 ** 20;

export type SequencedMessage = readonly [sequence: Sequence, record: MessageRecord];

export interface DispatcherParts {
  readonly store: InboxStore;
  /** In their order; undefined of one that does not open any more, and was put aside. */
  readonly open: (messages: readonly SequencedMessage[]) => Promise<readonly (OpenedMessage | undefined)[]>;
  readonly deliveryOf: (sequence: Sequence, record: MessageRecord, opened: OpenedMessage) => Delivery;
  /** undefined: there is nothing to tell. */
  readonly eventOf: (item: Exclude<StreamItem, MessageRecord>) => Promise<InboxEvent | undefined>;
  /** Resolves when what was acknowledged is durable. */
  readonly settled: () => Promise<void>;
  /** The subscriber is done with these notices: they are not handed out again. */
  readonly told: (sequences: readonly Sequence[]) => Promise<void>;
}

/**
 * Hands stored items to the one subscriber in the order of acceptance, never more deliveries than it can have in flight:
 * the store is the queue, memory stays flat.
 */
export class Dispatcher {
  readonly events$: Observable<InboxEvent>;
  readonly #parts: DispatcherParts;
  readonly #inFlight = new InFlight();
  readonly #offered = new Offered();
  #isHandingOut = false;
  #pageSize = 16;
  /**
   * Notices that were handed out, oldest first. A consumer may have them behind what it is at work on, so that they are kept
   * until all before them is acknowledged.
   */
  #notices: Sequence[] = [];
  /** Messages that were retracted when it was their turn. */
  readonly #passedOver = new Set<Sequence>();
  #subscriber: Subscriber<InboxEvent> | undefined;
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
      this.#next = 0n;
      this.#inFlight.clear();
      this.#offered.clear();
      this.#notices = [];
      this.#passedOver.clear();
      this.#isNew = true;
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
    if (this.#running === undefined) {
      this.#offered.add(outcomes);
      this.#handOutOffered();
    }
    // One that runs may be past its last look already.
    if (end > this.#next && (this.#offered.isEmpty || this.#running !== undefined)) this.wake();
  }

  /** What was handed out is done with: there is room for more, which the next offer uses. */
  acknowledged(sequences: readonly Sequence[]): void {
    this.#inFlight.remove(sequences);
    if (this.#notices.length === 0) return;
    this.#forgetNotices().catch((error: unknown) => {
      this.fail(error);
    });
  }

  /** What was handed out is left undone: there is room for more. */
  left(sequence: Sequence): void {
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
    this.#handOutOffered();
    while (this.#servesMore(to)) {
      const known = this.#known;
      const page = await this.#parts.store.itemsFrom(this.#next, Math.min(this.#pageSize, this.#inFlight.room));
      if (page.length === 0) {
        // The subscriber has had all: what is accepted next comes as it is.
        if (this.#subscriber === to && known > this.#next) this.#next = known;
        return;
      }
      await this.#handOutPage(to, page);
    }
  }

  async #handOutPage(to: Subscriber<InboxEvent>, page: readonly SequencedItem[]): Promise<void> {
    const wanted = page.filter((each): each is SequencedMessage => this.#isWanted(...each));
    const bytes = wanted.reduce((sum, [, { envelope }]) => sum + envelope.length, 1);
    this.#pageSize = Math.min(mostItems, Math.max(1, Math.floor((pageBytes * page.length) / bytes)));
    const opened = await this.#parts.open(wanted);
    const bySequence = new Map(wanted.map(([sequence], i) => [sequence, opened[i]]));
    for (const [sequence, item] of page) {
      if (!this.#servesMore(to)) return;
      if (sequence < this.#next) continue;
      this.#next = sequence + 1n;
      if (item.kind !== 'message') await this.#tell(to, sequence, item);
      else if (bySequence.has(sequence)) await this.#give(to, sequence, item, bySequence.get(sequence));
      else if (item.isRetracted && !item.isAcknowledged) this.#passedOver.add(sequence);
    }
  }

  /** As it is, as long as nothing is before it. It waits for room where no reorg can change it meanwhile; the store has it too. */
  #handOutOffered(): void {
    if (this.#isHandingOut) return;
    this.#isHandingOut = true;
    try {
      for (;;) {
        const to = this.#subscriber;
        const outcome = this.#offered.first;
        if (to === undefined || outcome?.type !== 'message' || outcome.sequence !== this.#next) break;
        if (!this.#servesMore(to)) {
          if (outcome.record.isFinal) return;
          break;
        }
        this.#offered.shift();
        this.#next += 1n;
        this.#deliver(to, outcome.sequence, outcome.record, outcome.opened);
      }
      this.#offered.clear();
    } finally {
      this.#isHandingOut = false;
    }
  }

  /**
   * Not any more once another one subscribed: that one begins anew. Notices take room as well, which they leave when all
   * before them is acknowledged.
   */
  #servesMore(to: Subscriber<InboxEvent>): boolean {
    return this.#subscriber === to && this.#inFlight.room > this.#notices.length;
  }

  #isWanted(sequence: Sequence, item: StreamItem): boolean {
    return item.kind === 'message' && !item.isAcknowledged && !item.isRetracted && !this.#inFlight.has(sequence);
  }

  async #give(
    to: Subscriber<InboxEvent>,
    sequence: Sequence,
    record: MessageRecord,
    opened: OpenedMessage | undefined,
  ): Promise<void> {
    if (opened === undefined) await this.#tell(to, sequence, { kind: 'dead', letter: sequence });
    // In memory of its own: what was read with it is not to be kept for as long as it is at work on.
    else this.#deliver(to, sequence, { ...record, envelope: record.envelope.slice() }, opened);
  }

  async #tell(to: Subscriber<InboxEvent>, sequence: Sequence, item: Exclude<StreamItem, MessageRecord>): Promise<void> {
    const { store, eventOf, told } = this.#parts;
    if (item.kind === 'reinstated' && this.#passedOver.delete(item.of)) {
      const message = await store.item(item.of);
      if (message?.kind === 'message') await this.#giveReinstated(to, item.of, message);
      await told([sequence]);
      return;
    }
    const event = await eventOf(item);
    if (this.#subscriber !== to) return;
    this.#notices.push(sequence);
    if (event !== undefined) to.next(event);
    await this.#forgetNotices();
  }

  async #giveReinstated(to: Subscriber<InboxEvent>, sequence: Sequence, record: MessageRecord): Promise<void> {
    if (this.#isWanted(sequence, record)) {
      const [opened] = await this.#parts.open([[sequence, record]]);
      await this.#give(to, sequence, record, opened);
    } else if (record.isRetracted && !record.isAcknowledged) this.#passedOver.add(sequence);
  }

  async #forgetNotices(): Promise<void> {
    // One that was handed out behind a notice has a sequence behind it.
    const { oldest } = this.#inFlight;
    const end = this.#notices.findIndex((sequence) => sequence > oldest);
    const done = this.#notices.splice(0, end < 0 ? this.#notices.length : end);
    if (done.length > 0) await this.#parts.told(done);
  }

  #deliver(to: Subscriber<InboxEvent>, sequence: Sequence, record: MessageRecord, opened: OpenedMessage): void {
    if (this.#subscriber !== to) return;
    this.#inFlight.add(sequence, record.envelope.length);
    to.next({ type: 'message', delivery: this.#parts.deliveryOf(sequence, record, opened) });
  }
}
