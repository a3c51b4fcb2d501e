import { Observable, type Subscriber } from 'rxjs';
import type { BlockId, BlockNumber, Chain, MessageSpan } from '../../chain/index.ts';
import { decodeCommandPayload, messageId } from '../../codec/index.ts';
import { asRelayError, RelayError } from '../../errors/index.ts';
import type { TransactionalStore } from '../../store/index.ts';
import type { Vault } from '../../vault/index.ts';
import { reasonOfDeath } from '../dead-letter.ts';
import type { GapPolicy } from '../follow-finalized.ts';
import { reached } from '../reached.ts';
import { checkCursor, finalBlocks, newestFinal, noteBegin, noteCursor } from '../starting-point.ts';
import type { PhalaDelivery, PhalaEvent, PhalaListener } from './phala-listener.ts';
import { PhalaStore, type Place } from './phala-store.ts';
import type { PostedItem } from './posted-item.ts';

export interface PhalaListenerOptions {
  /** Listeners and inboxes over the same one share what is read of it. */
  readonly chain: Chain;
  /** Opens what is sealed to any of its EcdhKeys. */
  readonly vault: Vault;
  /** May be that of the entity's inbox; one listener at a time. */
  readonly store: TransactionalStore;
  /** Those read, as `contractTopic` makes them or any others. They should stay the same over restarts. */
  readonly topics: readonly Uint8Array[];
  /** First block to read where the store has no cursor yet, or head: the one after the present finalized head. Default head. */
  readonly from?: BlockNumber | 'head';
  /** As of `InboxOptions`. */
  readonly verify?: boolean;
  /** What to do about blocks of which no endpoint has the state any more. Default stop, with blocks-missing. */
  readonly onGap?: GapPolicy;
  /** As of `InboxOptions`. */
  readonly onNotice?: (notice: RelayError) => void;
}

/** Items read at once. */
const pageSize = 16;
/** Deliveries handed out and not yet acknowledged, at most … */
const inFlightLimit = 256;
/** … and bytes of them, about. */
const inFlightBytes = 16 * 2 ** 20;

/** Finalized blocks only: what has no nonce could not be told apart when a reorg brings it back. */
export function createPhalaListener(options: PhalaListenerOptions): PhalaListener {
  return new StoredPhalaListener(options);
}

class StoredPhalaListener implements PhalaListener {
  readonly events$: Observable<PhalaEvent>;
  readonly ready: Promise<void>;
  readonly #options: PhalaListenerOptions;
  readonly #store: PhalaStore;
  readonly #stopping = new AbortController();
  /** Deliveries that wait for their acknowledgement, with their bytes. */
  readonly #inFlight = new Map<Place, number>();
  #bytesInFlight = 0;
  /** Gaps and dead ones that were handed out: kept until all before them is acknowledged, as the consumer may be at that. */
  #notices: Place[] = [];
  #subscriber: Subscriber<PhalaEvent> | undefined;
  #next: Place = 0n;
  #isWoken = false;
  #isGoingBack = false;
  #handingOut: Promise<void> | undefined;
  #starting: Promise<void> | undefined;
  #reading: Promise<unknown> | undefined;
  #failure: RelayError | undefined;
  #markReady: () => void = () => undefined;
  #markFailed: (error: unknown) => void = () => undefined;

  constructor(options: PhalaListenerOptions) {
    this.#options = options;
    this.#store = new PhalaStore(options.store);
    this.ready = new Promise((resolve, reject) => {
      this.#markReady = resolve;
      this.#markFailed = reject;
    });
    this.ready.catch(() => undefined);
    this.events$ = new Observable((subscriber) => {
      if (this.#subscriber !== undefined) subscriber.error(new RelayError('inbox-subscribed'));
      else if (this.#failure !== undefined) subscriber.error(this.#failure);
      else if (this.#stopping.signal.aborted) subscriber.complete();
      else {
        this.#subscriber = subscriber;
        this.#next = 0n;
        this.#inFlight.clear();
        this.#bytesInFlight = 0;
        this.#notices = [];
        this.#wake();
      }
      return () => {
        if (this.#subscriber === subscriber) this.#subscriber = undefined;
      };
    });
  }

  start(): Promise<void> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#markFailed(error);
      throw error;
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#starting?.catch(() => undefined);
    await this.#reading;
    await this.#handingOut;
    this.#subscriber?.complete();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #start(): Promise<void> {
    const { chain, from, verify, onNotice } = this.#options;
    const { signal } = this.#stopping;
    await this.#store.claim(chain.genesisHash);
    const stored = await this.#store.cursor();
    if (stored !== undefined) {
      await checkCursor(stored, finalBlocks(chain, verify, signal));
      noteCursor(from, stored, onNotice);
    }
    const cursor = stored ?? (await this.#begin(signal));
    const { number: present } = await finalBlocks(chain, verify, signal).newest();
    this.#reading = this.#read(cursor, present, signal).catch((error: unknown) => {
      if (!signal.aborted) this.#fail(error);
    });
  }

  /** Throws bad-value for a `from` yet to come. */
  async #begin(signal: AbortSignal): Promise<BlockId> {
    const { chain, from = 'head', verify, onNotice } = this.#options;
    const blocks = finalBlocks(chain, verify, signal);
    const present = await blocks.newest();
    const last = from === 'head' ? present : await blocks.at(Math.max(from - 1, 0));
    if (last === undefined || last.number > present.number)
      throw new RelayError('bad-value', {
        details: { what: 'The first block to read', reason: `the chain is only at block ${present.number}` },
      });
    noteBegin(last, onNotice);
    await this.#store.take([], last);
    return last;
  }

  async #read(cursor: BlockId, newest: BlockNumber, signal: AbortSignal): Promise<void> {
    const { chain, topics, verify } = this.#options;
    let present = newest;
    if (cursor.number >= present) this.#markReady();
    const options = { topics, ...(verify === undefined ? {} : { verify }) };
    for await (const span of chain.messages.follow(cursor, options, signal)) {
      if (span.type === 'retracted') {
        await this.#goBackTo(span.through);
        // Who made that up may have been who told how far the chain is.
        const { number } = await reached(() => newestFinal(chain, verify, signal), signal);
        present = Math.min(present, number);
      } else {
        const items = this.#itemsOf(span);
        // A crash reads quiet blocks again: those of a backlog are not worth a transaction each.
        if (items.length > 0 || span.through.number >= present) await this.#store.take(items, span.through);
        if (items.length > 0) this.#wake();
      }
      if (span.through.number >= present) this.#markReady();
    }
  }

  /** Later blocks were made up by one node: what is kept of them is forgotten while nothing is handed out. */
  async #goBackTo(through: BlockId): Promise<void> {
    this.#isGoingBack = true;
    await this.#handingOut;
    await this.#store.goBackTo(through, this.#next);
    this.#isGoingBack = false;
    this.#wake();
  }

  /** Throws blocks-missing. */
  #itemsOf(span: Exclude<MessageSpan, { readonly type: 'retracted' }>): PostedItem[] {
    if (span.type === 'blocks')
      return span.messages.map(({ destination, payload, sender, block, proven }) => ({
        ...({ kind: 'posted', topic: destination, payload, sender } as const),
        block: block.number,
        isProven: proven,
      }));
    const { first, through, reason } = span;
    if (this.#options.onGap === 'skip') return [{ kind: 'gap', first, last: through.number }];
    throw new RelayError('blocks-missing', { details: { first, last: through.number, reason } });
  }

  #wake(): void {
    this.#isWoken = true;
    if (this.#isGoingBack || this.#stopping.signal.aborted) return;
    this.#handingOut ??= this.#handOut()
      .catch((error: unknown) => {
        if (!this.#stopping.signal.aborted) this.#fail(error);
      })
      .finally(() => {
        this.#handingOut = undefined;
        if (this.#isWoken && this.#failure === undefined && this.#subscriber !== undefined) this.#wake();
      });
  }

  async #handOut(): Promise<void> {
    while (this.#isWoken && !this.#stopping.signal.aborted) {
      this.#isWoken = false;
      const subscriber = this.#subscriber;
      if (!this.#hasRoom() || subscriber === undefined) return;
      for (const [place, item] of await this.#store.itemsFrom(this.#next, pageSize)) {
        if (!this.#isHandingOutTo(subscriber) || !this.#hasRoom()) return;
        await this.#give(place, item, subscriber);
        this.#isWoken = true;
      }
    }
  }

  /** Where not, what is not handed out yet is read from the store again: for another subscriber, or when it went back. */
  #isHandingOutTo(subscriber: Subscriber<PhalaEvent>): boolean {
    return this.#subscriber === subscriber && !this.#isGoingBack;
  }

  #hasRoom(): boolean {
    const { size } = this.#inFlight;
    return size + this.#notices.length < inFlightLimit && (this.#bytesInFlight < inFlightBytes || size === 0);
  }

  async #give(place: Place, item: PostedItem, subscriber: Subscriber<PhalaEvent>): Promise<void> {
    if (item.kind === 'gap') {
      await this.#tell(place, { type: 'gap', first: item.first, last: item.last }, subscriber);
      return;
    }
    const { genesisHash } = this.#options.chain;
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
      await this.#tell(place, { type: 'dead', messageId: id, topic: item.topic, code }, subscriber);
    }
  }

  async #tell(place: Place, notice: PhalaEvent, subscriber: Subscriber<PhalaEvent>): Promise<void> {
    this.#next = place + 1n;
    this.#notices.push(place);
    subscriber.next(notice);
    await this.#forgetNotices();
  }

  /** Each is left out of the count once that is durable: where the store fails, the next acknowledgement comes to it again. */
  async #forgetNotices(): Promise<void> {
    for (;;) {
      const [oldest] = this.#inFlight.keys();
      const [place] = this.#notices;
      if (place === undefined || (oldest !== undefined && place > oldest)) return;
      await this.#store.forget(place);
      this.#notices = this.#notices.filter((other) => other !== place);
    }
  }

  async #open(place: Place, item: Extract<PostedItem, { kind: 'posted' }>): Promise<PhalaDelivery> {
    const { chain, vault } = this.#options;
    const { topic, payload, sender, block, isProven } = item;
    const command = decodeCommandPayload(payload);
    const content =
      command.kind === 'plain' ? { encrypted: false, content: command.content } : await opened(vault, payload);
    let acknowledged: Promise<void> | undefined;
    return {
      ...({ suite: 'phala', topic, block, proven: isProven } as const),
      messageId: messageId({ genesisHash: chain.genesisHash, envelope: payload }),
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
    await this.#store.forget(place);
    const bytes = this.#inFlight.get(place);
    this.#inFlight.delete(place);
    this.#bytesInFlight -= bytes ?? 0;
    try {
      await this.#forgetNotices();
    } finally {
      this.#wake();
    }
  }

  #fail(error: unknown): void {
    const known = asRelayError(error, 'inbox-stopped');
    this.#failure = known;
    this.#markFailed(known);
    this.#subscriber?.error(known);
  }
}

/** Of an encrypted command: EncryptedData is all that follows its variant. */
async function opened(vault: Vault, payload: Uint8Array) {
  const { content, senderKey } = await vault.openPhala(payload.subarray(1));
  return { encrypted: true, content, senderKey };
}
