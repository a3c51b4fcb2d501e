import { Observable, type Subscriber } from 'rxjs';
import { messageId, type Hex } from '../../codec/index.ts';
import { asRelayError, isVaultUnread, RelayError } from '../../errors/index.ts';
import type { Vault } from '../../vault/index.ts';
import { reasonOfDeath } from '../dead-letter.ts';
import { openCommand } from './open-command.ts';
import type { PhalaDelivery, PhalaEvent } from './phala-listener.ts';
import type { PhalaStore, Place } from './phala-store.ts';
import type { PostedCommand, PostedItem } from './posted-item.ts';

/** Items read at once. */
const pageSize = 16;
/** Deliveries handed out and not yet acknowledged, at most … */
const inFlightLimit = 256;
/** … and bytes of them, about. */
const inFlightBytes = 16 * 2 ** 20;

export interface PhalaDispatcherParts {
  readonly genesisHash: Hex;
  readonly vault: Vault;
  readonly store: PhalaStore;
  /** Fires when the listener stops. */
  readonly signal: AbortSignal;
  /** The stream has ended with it. */
  readonly onFailure: (error: RelayError) => void;
}

/** Hands stored items to the one subscriber in their order, never more than it can have in flight: the store is the queue. */
export class PhalaDispatcher {
  readonly events$: Observable<PhalaEvent>;
  readonly #parts: PhalaDispatcherParts;
  /** Deliveries that wait for their acknowledgement, with their bytes. */
  readonly #inFlight = new Map<Place, number>();
  #bytesInFlight = 0;
  /** Gaps that were handed out: kept until all before them is acknowledged, as the consumer may be at that. */
  #notices: Place[] = [];
  #subscriber: Subscriber<PhalaEvent> | undefined;
  #next: Place = 0n;
  #isWoken = false;
  #isHeld = false;
  #handingOut: Promise<void> | undefined;
  #failure: RelayError | undefined;

  constructor(parts: PhalaDispatcherParts) {
    this.#parts = parts;
    this.events$ = new Observable((subscriber) => {
      if (this.#subscriber !== undefined) subscriber.error(new RelayError('inbox-subscribed'));
      else if (this.#failure !== undefined) subscriber.error(this.#failure);
      else if (parts.signal.aborted) subscriber.complete();
      else {
        this.#subscriber = subscriber;
        this.#next = 0n;
        this.#inFlight.clear();
        this.#bytesInFlight = 0;
        this.#notices = [];
        this.wake();
      }
      return () => {
        if (this.#subscriber === subscriber) this.#subscriber = undefined;
      };
    });
  }

  /** Looks for items to hand out. */
  wake(): void {
    this.#isWoken = true;
    if (this.#isHeld || this.#parts.signal.aborted) return;
    this.#handingOut ??= this.#handOut()
      .catch((error: unknown) => {
        if (!this.#parts.signal.aborted) this.fail(error);
      })
      .finally(() => {
        this.#handingOut = undefined;
        if (this.#isWoken && this.#failure === undefined && this.#subscriber !== undefined) this.wake();
      });
  }

  /** Nothing is handed out while the store is changed under it. `work`: told what was handed out, all before that place. */
  async holding(work: (next: Place) => Promise<void>): Promise<void> {
    this.#isHeld = true;
    await this.#handingOut;
    await work(this.#next);
    this.#isHeld = false;
    this.wake();
  }

  fail(error: unknown): void {
    const known = asRelayError(error, 'inbox-stopped');
    this.#failure = known;
    this.#parts.onFailure(known);
    this.#subscriber?.error(known);
  }

  /** After the signal. */
  async stop(): Promise<void> {
    await this.#handingOut;
    this.#subscriber?.complete();
  }

  async #handOut(): Promise<void> {
    while (this.#isWoken && !this.#parts.signal.aborted) {
      this.#isWoken = false;
      const subscriber = this.#subscriber;
      if (!this.#hasRoom() || subscriber === undefined) return;
      for (const [place, item] of await this.#parts.store.itemsFrom(this.#next, pageSize)) {
        if (!this.#isHandingOutTo(subscriber) || !this.#hasRoom()) return;
        await this.#give(place, item, subscriber);
        this.#isWoken = true;
      }
    }
  }

  /** Where not, what is not handed out yet is read from the store again: for another subscriber, or when it went back. */
  #isHandingOutTo(subscriber: Subscriber<PhalaEvent>): boolean {
    return this.#subscriber === subscriber && !this.#isHeld;
  }

  #hasRoom(): boolean {
    const { size } = this.#inFlight;
    return size + this.#notices.length < inFlightLimit && (this.#bytesInFlight < inFlightBytes || size === 0);
  }

  async #give(place: Place, item: PostedItem, subscriber: Subscriber<PhalaEvent>): Promise<void> {
    if (item.kind === 'gap') {
      this.#next = place + 1n;
      this.#notices.push(place);
      subscriber.next({ type: 'gap', first: item.first, last: item.last });
      await this.#forgetNotices();
      return;
    }
    const { genesisHash } = this.#parts;
    try {
      const delivery = await this.#open(place, item);
      if (!this.#isHandingOutTo(subscriber)) return;
      this.#next = place + 1n;
      this.#inFlight.set(place, item.payload.length);
      this.#bytesInFlight += item.payload.length;
      subscriber.next({ type: 'message', delivery });
    } catch (error) {
      if (!this.#isHandingOutTo(subscriber)) return;
      const { code } = reasonOfDeath(error);
      const id = messageId({ genesisHash, envelope: item.payload });
      this.#next = place + 1n;
      subscriber.next({ type: 'dead', messageId: id, topic: item.topic, code });
      // Its key may be in a file that can not be read: it stays where it is, for the next subscriber.
      if (isVaultUnread(error)) return;
      // It is in the list of dead letters then: whatever strangers post takes no place of a delivery.
      await this.#parts.store.bury(place, item, code);
    }
  }

  /** Each is left out of the count once that is durable: where the store fails, the next acknowledgement comes to it again. */
  async #forgetNotices(): Promise<void> {
    for (;;) {
      const [oldest] = this.#inFlight.keys();
      const [place] = this.#notices;
      if (place === undefined || (oldest !== undefined && place > oldest)) return;
      await this.#parts.store.forget(place);
      this.#notices = this.#notices.filter((other) => other !== place);
    }
  }

  async #open(place: Place, { topic, payload, sender, block, isProven }: PostedCommand): Promise<PhalaDelivery> {
    const { genesisHash, vault } = this.#parts;
    const content = await openCommand(vault, payload);
    let acknowledged: Promise<void> | undefined;
    return {
      ...({ suite: 'phala', topic, block, proven: isProven } as const),
      messageId: messageId({ genesisHash, envelope: payload }),
      ...content,
      fromKind: sender.kind === 'other' ? sender.name.toLowerCase() : sender.kind,
      ...(sender.id === undefined ? {} : { from: sender.id }),
      ack: () =>
        (acknowledged ??= this.#acknowledge(place).catch((error: unknown) => {
          // It may be acknowledged again.
          acknowledged = undefined;
          throw error;
        })),
    };
  }

  async #acknowledge(place: Place): Promise<void> {
    await this.#parts.store.forget(place);
    const bytes = this.#inFlight.get(place);
    this.#inFlight.delete(place);
    this.#bytesInFlight -= bytes ?? 0;
    try {
      await this.#forgetNotices();
    } finally {
      this.wake();
    }
  }
}
