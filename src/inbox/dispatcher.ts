import { Observable } from 'rxjs';
import { RelayError } from '../errors/index.ts';
import type { Outcome } from './arrival.ts';
import { Consumer, turnOfOthers, type ConsumerParts } from './consumer.ts';
import type { SequencedItem } from './inbox-store.ts';
import type { InboxEvent } from './inbox.ts';
import { Offered } from './offered.ts';
import type { Sequence } from './stream-item.ts';

/** Who is told how the stream ended. */
interface Listener {
  error(error: unknown): void;
  complete(): void;
}

/** Items read and opened at once, at most … */
const mostItems = 64;
/** … and about so many bytes of messages. */
const pageBytes = 2 ** 20;

export interface DispatcherParts extends ConsumerParts {
  /** Resolves when what was acknowledged is durable. */
  readonly settled: () => Promise<void>;
  /** It can't go on: what it is part of is to end, and to tell it so by `fail`. */
  readonly onFailure: (error: unknown) => void;
}

/**
 * Hands stored items to the one subscriber in the order of acceptance, never more deliveries than it can have in flight:
 * the store is the queue, memory stays flat. What is beyond the share of its sender is passed over, and handed out later.
 */
export class Dispatcher {
  readonly events$: Observable<InboxEvent>;
  readonly #parts: DispatcherParts;
  readonly #offered = new Offered();
  #isHandingOut = false;
  #pageSize = 16;
  /** Of the present subscriber, or the last one. */
  #consumer: Consumer | undefined;
  /** The store is known to have items up to it. */
  #known: Sequence = 0n;
  /** Of what another one acknowledged before some may not be durable yet. */
  #isNew = false;
  #running: Promise<void> | undefined;
  #isWoken = false;
  /** How the stream ended, for who subscribes later. */
  #ended: ((subscriber: Listener) => void) | undefined;

  constructor(parts: DispatcherParts) {
    this.#parts = parts;
    this.events$ = new Observable((subscriber) => {
      if (this.#present !== undefined) {
        subscriber.error(new RelayError('inbox-subscribed'));
        return undefined;
      }
      if (this.#ended !== undefined) {
        this.#ended(subscriber);
        return undefined;
      }
      const consumer = new Consumer(subscriber, parts);
      this.#beginAnew(consumer);
      this.wake();
      return () => {
        consumer.leave();
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
    const hasMore = (): boolean => end > (this.#consumer?.next ?? 0n);
    if (isIdle || !this.#offered.isEmpty) this.#offered.add(outcomes);
    const isHeldUp = isIdle && (this.#canResume || this.#handOutOffered() === 'full');
    // One that runs may be past its last look already, at what has room again too.
    const isPast = !isIdle && (hasMore() || this.#canResume);
    if (isHeldUp || isPast || (hasMore() && this.#offered.isEmpty)) this.wake();
  }

  /** What was handed out is done with: there is room for more, which the next offer uses. */
  acknowledged(sequences: readonly Sequence[]): void {
    this.#consumer?.acknowledged(sequences).catch((error: unknown) => {
      this.#parts.onFailure(error);
    });
  }

  /** What was handed out is left undone: there is room for more. */
  left(sequence: Sequence): void {
    this.#consumer?.left(sequence);
    this.acknowledged([sequence]);
    this.wake();
  }

  fail(error: unknown): void {
    this.#end((subscriber) => {
      subscriber.error(error);
    });
  }

  async stop(): Promise<void> {
    const consumer = this.#present;
    consumer?.leave();
    await this.#running;
    this.#ended ??= (late) => {
      late.complete();
    };
    consumer?.complete();
  }

  #end(tell: (subscriber: Listener) => void): void {
    this.#ended ??= tell;
    if (this.#present !== undefined) tell(this.#present);
  }

  get #present(): Consumer | undefined {
    return this.#consumer?.isGone === true ? undefined : this.#consumer;
  }

  get #canResume(): boolean {
    return this.#consumer?.shares.canResume === true;
  }

  #beginAnew(consumer: Consumer): void {
    this.#consumer = consumer;
    this.#offered.clear();
    this.#isNew = true;
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWoken && this.#present !== undefined) {
        this.#isWoken = false;
        await this.#handOut(this.#present);
      }
      this.#isWoken = false;
    } catch (error) {
      this.#isWoken = false;
      this.#parts.onFailure(error);
    }
  }

  async #handOut(to: Consumer): Promise<void> {
    if (this.#isNew) {
      this.#isNew = false;
      await this.#parts.settled();
    }
    await this.#goThroughAgain(to);
    if (this.#handOutOffered() === 'full') {
      await turnOfOthers();
      this.#handOutOffered(true);
    }
    while (to.hasRoom) {
      // As of now: what is accepted while the store reads may not be in what it reads.
      const known = this.#known;
      const page = await this.#parts.store.itemsFrom(to.next, Math.min(this.#pageSize, to.room));
      if (page.length === 0) {
        // The subscriber has had all: what is accepted next comes as it is.
        if (known > to.next) to.wentOn(known);
        return;
      }
      await this.#handOutPage(to, page);
      await this.#goThroughAgain(to);
    }
  }

  /** Hands out what was passed over, of those who have room again. */
  async #goThroughAgain(to: Consumer): Promise<void> {
    for (;;) {
      const from = to.shares.resume();
      if (from === undefined || !to.hasRoom) return;
      await to.goingThroughAgain(async () => {
        const page = await this.#parts.store.itemsFrom(from, this.#pageSize);
        const behind = page.filter(([sequence]) => sequence < to.next);
        const isWhole = await this.#handOutPage(to, behind, true);
        if (isWhole && (page.length === 0 || behind.length < page.length)) to.shares.caughtUp();
      });
    }
  }

  /** Gives whether it came to its end. `isBehind`: it was gone through before, and what waits is handed out of it. */
  async #handOutPage(to: Consumer, page: readonly SequencedItem[], isBehind = false): Promise<boolean> {
    const placed = await to.placeAll(page, isBehind);
    const { part, places, lost } = placed;
    if (part.length > 0) this.#pageSize = pageSizeOf(part);
    const wanted = await to.handOver(placed);
    const opened = await this.#parts.open(wanted);
    const bySequence = new Map(wanted.map(([sequence, record], i) => [sequence, { record, opened: opened[i] }]));
    for (const [sequence, item] of part) {
      if (!to.hasRoom) {
        for (const [at, place] of places) if (at >= sequence) place.release();
        return false;
      }
      if (isBehind) to.shares.wentOn(sequence + 1n);
      else if (sequence < to.next) continue;
      else to.wentOn(sequence + 1n);
      const [place, message] = [places.get(sequence), bySequence.get(sequence)];
      if (item.kind !== 'message') {
        if (!isBehind) await to.tell(sequence, item);
      } else if (place !== undefined && message !== undefined)
        await to.give(sequence, message.record, message.opened, place);
      else if (lost.has(sequence)) to.lose(sequence);
    }
    return part.length === page.length;
  }

  /** As it is, as long as nothing is before it and it is final: no reorg changes it while it waits for room. The store has it too. */
  #handOutOffered(passesOver = false): 'full' | undefined {
    if (this.#isHandingOut) return undefined;
    this.#isHandingOut = true;
    try {
      for (;;) {
        const to = this.#present;
        const outcome = this.#offered.first;
        if (to === undefined || outcome?.type !== 'message' || outcome.sequence !== to.next) break;
        const { sequence, record, opened } = outcome;
        if (!record.isFinal) break;
        if (!to.hasRoom) return undefined;
        const place = to.shares.place(sequence, opened.header, record.envelope.length);
        if (place === 'full') {
          if (!passesOver) return place;
          to.shares.passOver(sequence, opened.header);
        }
        this.#offered.shift();
        to.wentOn(sequence + 1n);
        if (typeof place === 'object') to.deliver(sequence, record, opened, place);
      }
      this.#offered.clear();
      return undefined;
    } finally {
      this.#isHandingOut = false;
    }
  }
}

/** Of items like these. */
function pageSizeOf(page: readonly SequencedItem[]): number {
  const bytes = page.reduce((sum, [, item]) => sum + (item.kind === 'message' ? item.envelope.length : 0), 1);
  return Math.min(mostItems, Math.max(1, Math.floor((pageBytes * page.length) / bytes)));
}
