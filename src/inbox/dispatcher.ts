import { Observable, type Subscriber } from 'rxjs';
import { RelayError } from '../errors/index.ts';
import type { OpenedMessage, Outcome } from './admission.ts';
import type { InboxStore } from './inbox-store.ts';
import type { Delivery, InboxEvent } from './inbox.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';

/** Items read at once. */
const pageSize = 16;
/** Deliveries handed out and not yet acknowledged, at most … */
const inFlightLimit = 1_024;
/** … and bytes of them, about. */
const inFlightBytes = 16 * 2 ** 20;

export interface DispatcherParts {
  readonly store: InboxStore;
  /** undefined: it does not open any more, and was put aside. */
  readonly open: (sequence: Sequence, record: MessageRecord) => Promise<OpenedMessage | undefined>;
  readonly deliveryOf: (sequence: Sequence, record: MessageRecord, opened: OpenedMessage) => Delivery;
  /** undefined: there is nothing to tell. */
  readonly eventOf: (item: Exclude<StreamItem, MessageRecord>) => Promise<InboxEvent | undefined>;
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
  /** Bytes of the deliveries that wait for their acknowledgement, by the sequence as a number: a bigint takes longer to find. */
  readonly #inFlight = new Map<number, number>();
  #bytesInFlight = 0;
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
      this.#bytesInFlight = 0;
      this.#notices = [];
      this.#passedOver.clear();
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
    const to = this.#subscriber;
    for (const outcome of this.#running === undefined ? outcomes : []) {
      if (to === undefined || outcome.type !== 'message' || outcome.sequence !== this.#next) break;
      if (!this.#servesMore(to)) break;
      this.#next += 1n;
      this.#deliver(to, outcome.sequence, outcome.record, outcome.opened);
    }
    if (end > this.#next) this.wake();
  }

  /** What was handed out is done with: there is room for more, which the next offer uses. */
  acknowledged(sequences: readonly Sequence[]): void {
    for (const sequence of sequences) {
      const key = Number(sequence);
      const bytes = this.#inFlight.get(key);
      if (bytes === undefined) continue;
      this.#inFlight.delete(key);
      this.#bytesInFlight -= bytes;
    }
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

  get #hasRoom(): boolean {
    return (
      this.#subscriber !== undefined &&
      this.#inFlight.size < inFlightLimit &&
      (this.#bytesInFlight < inFlightBytes || this.#inFlight.size === 0)
    );
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
    while (this.#servesMore(to)) {
      const known = this.#known;
      const page = await this.#parts.store.itemsFrom(this.#next, pageSize);
      for (const [sequence, item] of page) {
        if (!this.#servesMore(to)) return;
        if (sequence < this.#next) continue;
        this.#next = sequence + 1n;
        if (item.kind === 'message') await this.#consider(to, sequence, item);
        else await this.#tell(to, sequence, item);
      }
      if (page.length > 0) continue;
      // The subscriber has had all: what is accepted next comes as it is.
      if (this.#subscriber === to && known > this.#next) this.#next = known;
      return;
    }
  }

  /** Not any more once another one subscribed: that one begins anew. */
  #servesMore(to: Subscriber<InboxEvent>): boolean {
    return this.#subscriber === to && this.#hasRoom;
  }

  async #consider(to: Subscriber<InboxEvent>, sequence: Sequence, record: MessageRecord): Promise<void> {
    if (record.isAcknowledged || this.#inFlight.has(Number(sequence))) return;
    if (record.isRetracted) {
      this.#passedOver.add(sequence);
      return;
    }
    const opened = await this.#parts.open(sequence, record);
    if (opened === undefined) await this.#tell(to, sequence, { kind: 'dead', letter: sequence });
    else this.#deliver(to, sequence, record, opened);
  }

  async #tell(to: Subscriber<InboxEvent>, sequence: Sequence, item: Exclude<StreamItem, MessageRecord>): Promise<void> {
    const { store, eventOf, told } = this.#parts;
    if (item.kind === 'reinstated' && this.#passedOver.delete(item.of)) {
      const message = await store.item(item.of);
      if (message?.kind === 'message') await this.#consider(to, item.of, message);
      await told([sequence]);
      return;
    }
    const event = await eventOf(item);
    if (this.#subscriber !== to) return;
    this.#notices.push(sequence);
    if (event !== undefined) to.next(event);
    await this.#forgetNotices();
  }

  async #forgetNotices(): Promise<void> {
    // The first that is in flight of those handed out: one behind a notice has a sequence behind it.
    const [oldest = Infinity] = this.#inFlight.keys();
    const end = this.#notices.findIndex((sequence) => sequence > oldest);
    const done = this.#notices.splice(0, end < 0 ? this.#notices.length : end);
    if (done.length > 0) await this.#parts.told(done);
  }

  #deliver(to: Subscriber<InboxEvent>, sequence: Sequence, record: MessageRecord, opened: OpenedMessage): void {
    if (this.#subscriber !== to) return;
    const { length } = record.envelope;
    this.#inFlight.set(Number(sequence), length);
    this.#bytesInFlight += length;
    to.next({ type: 'message', delivery: this.#parts.deliveryOf(sequence, record, opened) });
  }
}
