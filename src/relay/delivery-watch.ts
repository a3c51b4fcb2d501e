import type { Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { MailStore } from '../store/mail-store.ts';
import type { SentMessage } from './client-frames.ts';
import { WaitPlaces } from './wait-places.ts';

export interface DeliveryWatchParts {
  readonly mailStore: Pick<MailStore, 'find' | 'onAcknowledged'>;
  /** Of one that no mailbox has: whether the relay's own entity has it. */
  readonly isDeliveredHere: (message: SentMessage) => boolean;
  /** Messages that are watched at once, by all connections; an eighth by one address. */
  readonly most: number;
}

/** Who waits for the word of one message. */
export interface DeliveryListener {
  /** Key of the peer's address. */
  readonly key: string;
  /** Once, at last. */
  delivered(): void;
  /** Instead of that: it can't be told. */
  failed(error: unknown): void;
}

interface Watched extends SentMessage {
  readonly listener: DeliveryListener;
  /** undefined: it is looked up whenever something was acknowledged. */
  cursor: bigint | undefined;
  isOver: boolean;
}

interface Mailbox {
  readonly leave: () => void;
  readonly watched: Set<Watched>;
  /** Some are to be looked up again then. */
  timer: ReturnType<typeof setTimeout> | undefined;
}

// Where the store tells no cursors, after an acknowledgement: many come one after the other.
const lookAgainMs = 200;
const maxLookups = 8;

/**
 * Tells senders that mailboxes' owners have acknowledged their messages. Asked by the id of a message, which is a hash of all
 * of it, random iv and ciphertext included: who knows it has the message, and is its sender, its recipient or a relay that
 * carried it. So nobody needs to prove more, who sends from a key made for one message too, and a stranger learns nothing, not
 * even whether there is such a message. Of a message that was acknowledged nothing else is kept to hold a proof against.
 */
export class DeliveryWatch {
  readonly #mailStore: DeliveryWatchParts['mailStore'];
  readonly #isDeliveredHere: DeliveryWatchParts['isDeliveredHere'];
  readonly #places: WaitPlaces;
  readonly #mailboxes = new Map<Hex, Mailbox>();
  readonly #toLookUp = new Set<Watched>();
  #lookups = 0;

  constructor({ mailStore, isDeliveredHere, most }: DeliveryWatchParts) {
    this.#mailStore = mailStore;
    this.#isDeliveredHere = isDeliveredHere;
    this.#places = new WaitPlaces(most, 'awaited deliveries');
  }

  /** Until the returned function is called. Throws relay-busy. */
  watch(message: SentMessage, listener: DeliveryListener): () => void {
    const giveBack = this.#places.take(listener.key, (error) => {
      listener.failed(error);
    });
    const watched: Watched = { ...message, listener, cursor: undefined, isOver: false };
    const mailbox = this.#mailboxes.get(message.to) ?? this.#open(message.to);
    mailbox.watched.add(watched);
    this.#lookUp(watched);
    return () => {
      giveBack();
      watched.isOver = true;
      this.#toLookUp.delete(watched);
      if (mailbox.watched.delete(watched) && mailbox.watched.size === 0) this.#close(message.to, mailbox);
    };
  }

  #open(recipient: Hex): Mailbox {
    const mailbox: Mailbox = {
      leave: this.#mailStore.onAcknowledged(recipient, (upTo) => {
        this.#acknowledged(mailbox, upTo);
      }),
      watched: new Set(),
      timer: undefined,
    };
    this.#mailboxes.set(recipient, mailbox);
    return mailbox;
  }

  #close(recipient: Hex, mailbox: Mailbox): void {
    mailbox.leave();
    clearTimeout(mailbox.timer);
    if (this.#mailboxes.get(recipient) === mailbox) this.#mailboxes.delete(recipient);
  }

  #acknowledged(mailbox: Mailbox, upTo: bigint | undefined): void {
    let isLeft = false;
    for (const watched of [...mailbox.watched]) {
      const { cursor, listener } = watched;
      if (upTo === undefined || cursor === undefined) isLeft = true;
      else if (cursor <= upTo) listener.delivered();
    }
    if (!isLeft) return;
    mailbox.timer ??= setTimeout(() => {
      mailbox.timer = undefined;
      for (const watched of mailbox.watched) this.#lookUp(watched);
    }, lookAgainMs);
  }

  #lookUp(watched: Watched): void {
    this.#toLookUp.add(watched);
    if (this.#lookups < maxLookups) void this.#lookUpAll();
  }

  async #lookUpAll(): Promise<void> {
    this.#lookups += 1;
    for (const watched of this.#toLookUp) {
      this.#toLookUp.delete(watched);
      await this.#lookUpOne(watched);
    }
    this.#lookups -= 1;
  }

  async #lookUpOne(watched: Watched): Promise<void> {
    const { to, messageId, sentAt, listener } = watched;
    const isTime = sentAt <= BigInt(Number.MAX_SAFE_INTEGER);
    try {
      // Never told from within watch(): who waits has no place to give back yet.
      const found = await (isTime ? this.#mailStore.find(to, messageId, Number(sentAt)) : undefined);
      if (watched.isOver) return;
      if (found?.isAcknowledged !== true && this.#isDeliveredHere(watched)) listener.delivered();
      else if (found === undefined) listener.failed(new RelayError('unknown-message', { details: { messageId, to } }));
      else if (found.isAcknowledged) listener.delivered();
      else watched.cursor = found.cursor;
    } catch (error) {
      if (!watched.isOver) listener.failed(error);
    }
  }
}
