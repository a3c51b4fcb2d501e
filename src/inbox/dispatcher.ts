import { Observable, type Subscriber } from 'rxjs';
import { RelayError } from '../errors/index.ts';
import type { InboxStore, Sequence } from './inbox-store.ts';
import type { Delivery, InboxEvent } from './inbox.ts';
import type { MessageRecord } from './message-record.ts';

const pageSize = 64;

/** Most deliveries handed out and not yet acknowledged. */
const inFlightLimit = 256;

/**
 * Hands stored messages to the one subscriber in the order of acceptance, never more than it can have in flight: the
 * store is the queue, memory stays flat.
 */
export class Dispatcher {
  readonly events$: Observable<InboxEvent>;
  readonly #store: InboxStore;
  readonly #toDelivery: (sequence: Sequence, record: MessageRecord) => Promise<Delivery | undefined>;
  readonly #notices: InboxEvent[] = [];
  readonly #inFlight = new Set<Sequence>();
  /** Retracted before the subscriber saw them. */
  readonly #passedOver = new Set<Sequence>();
  #subscriber: Subscriber<InboxEvent> | undefined;
  #next: Sequence = 0n;
  #running: Promise<void> | undefined;
  #isWoken = false;
  /** How the stream ended, for who subscribes later. */
  #ended: ((subscriber: Subscriber<InboxEvent>) => void) | undefined;

  constructor(
    store: InboxStore,
    toDelivery: (sequence: Sequence, record: MessageRecord) => Promise<Delivery | undefined>,
  ) {
    this.#store = store;
    this.#toDelivery = toDelivery;
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
      this.wake();
      return () => {
        this.#subscriber = undefined;
      };
    });
  }

  /** Looks for messages to hand out. */
  wake(): void {
    this.#isWoken = true;
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
      if (this.#isWoken) this.wake();
    });
  }

  notify(event: InboxEvent): void {
    this.#notices.push(event);
    this.wake();
  }

  /** A retracted message came back: it is handed out if the subscriber never saw it. */
  reinstate(sequence: Sequence, event: InboxEvent): void {
    if (!this.#passedOver.delete(sequence)) this.notify(event);
    else if (sequence < this.#next) this.#next = sequence;
    this.wake();
  }

  acknowledged(sequence: Sequence): void {
    if (this.#inFlight.delete(sequence)) this.wake();
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
        await this.#handOut();
        for (let notice = this.#notices.shift(); notice !== undefined; notice = this.#notices.shift())
          this.#subscriber.next(notice);
      }
      this.#isWoken = false;
    } catch (error) {
      this.#isWoken = false;
      this.fail(error);
    }
  }

  async #handOut(): Promise<void> {
    while (this.#subscriber !== undefined && this.#inFlight.size < inFlightLimit) {
      const page = await this.#store.recordsFrom(this.#next, pageSize);
      for (const [sequence, record] of page) await this.#consider(sequence, record);
      if (page.length < pageSize) return;
    }
  }

  async #consider(sequence: Sequence, record: MessageRecord): Promise<void> {
    if (sequence < this.#next) return;
    this.#next = sequence + 1n;
    if (record.isAcknowledged || this.#inFlight.has(sequence)) return;
    if (record.isRetracted) {
      this.#passedOver.add(sequence);
      return;
    }
    const delivery = await this.#toDelivery(sequence, record);
    if (delivery === undefined) return;
    this.#inFlight.add(sequence);
    this.#subscriber?.next({ type: 'message', delivery });
  }
}
