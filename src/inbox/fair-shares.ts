import type { Header, Hex } from '../codec/index.ts';
import type { Bounds, HandedOut } from './in-flight.ts';
import type { Sequence } from './stream-item.ts';

/** Of all that may be held, what is for whoever comes first; of the rest … */
const firstPart = 1 / 2;
/** … a sender has so much at most, so that it takes many to hold all. */
const fewPart = 1 / 128;
/** Of all that may be held, what senders that are not registered may hold together: their keys cost nothing. */
const strangerPart = 3 / 4;
/** Senders that are remembered though they may hold nothing any more. */
const mostSenders = 4_096;
/** Strangers of whom it is remembered that they wait: they may register meanwhile. */
const mostWaiting = 10_000;

export type Sender = Pick<Header, 'from' | 'fromKind'>;

/** What one sender holds, or all together that are not registered. */
interface Holder {
  count: number;
  bytes: number;
  /** What is its own from there on waits in the store. */
  waitsFrom: Sequence | undefined;
}

/** Of a message that was handed out: held until it is acknowledged, or left. */
export class Place implements HandedOut {
  /** Whether its sender was a registered worker then. */
  readonly isRegistered: boolean;
  readonly bytes: number;
  order = 0;
  #holders: readonly Holder[];

  constructor(holders: readonly Holder[], isRegistered: boolean, bytes: number) {
    this.#holders = holders;
    this.isRegistered = isRegistered;
    this.bytes = bytes;
    for (const holder of holders) {
      holder.count += 1;
      holder.bytes += bytes;
    }
  }

  /** Idempotent. */
  release(): void {
    for (const holder of this.#holders) {
      holder.count -= 1;
      holder.bytes -= this.bytes;
    }
    this.#holders = [];
  }
}

/**
 * Divides what may be handed out and not acknowledged, so that those whose messages stay in work, for whatever reason, hold up
 * nobody else: half of it is for whoever comes, the other half for senders that hold little, and all that are not registered have a
 * part. What is beyond waits in the store with all that its sender sent behind it, and is gone through from there when half of the
 * share is free again.
 */
export class FairShares {
  readonly #isRegistered: (id: Hex) => boolean;
  readonly #most: Bounds;
  readonly #all = newHolder();
  readonly #strangers = newHolder();
  readonly #senders = new Map<Hex, Holder>();
  readonly #waiting = new Set<Holder>();
  /** Those of these that are being gone through, … */
  readonly #resuming = new Set<Holder>();
  /** … and how far. */
  #at: Sequence = 0n;
  readonly #waitingStrangers = new Set<Hex>();
  /** Whether there were more of them: anybody may be one then. */
  #hasForgotten = false;

  constructor(isRegistered: (id: Hex) => boolean, most: Bounds) {
    this.#isRegistered = isRegistered;
    this.#most = most;
  }

  /** Whether something waits in the store that may be handed out now. */
  get canResume(): boolean {
    if (this.#resuming.size > 0) return true;
    for (const holder of this.#waiting) if (this.#hasMuchRoom(holder)) return true;
    return false;
  }

  /**
   * A place for a message. waits: others of its sender wait before it. full: its share is held. `isBehind`: it was passed over, and
   * is being gone through. A sender that can't be told is nobody's.
   */
  place(sequence: Sequence, sender: Sender | undefined, bytes: number, isBehind = false): Place | 'waits' | 'full' {
    if (sender === undefined) return new Place([this.#all], false, bytes);
    const isRegistered = sender.fromKind === 'worker' && this.#isRegistered(sender.from);
    const own = this.#holderOf(sender.from);
    const isStranger = this.#isStranger(sender.from, isRegistered);
    if (isStranger && this.#isHeldUp(this.#strangers, sequence, isBehind)) {
      this.#rememberWaiting(sender.from);
      return 'waits';
    }
    if (this.#isHeldUp(own, sequence, isBehind)) return 'waits';
    if (!this.#hasRoom(own) || (isStranger && !this.#hasRoom(this.#strangers))) return 'full';
    const holders = isStranger ? [this.#all, own, this.#strangers] : [this.#all, own];
    return new Place(holders, isRegistered, bytes);
  }

  /** A message for which there is no place waits, and what comes after it. */
  passOver(sequence: Sequence, { from, fromKind }: Sender): void {
    const isStranger = this.#isStranger(from, fromKind === 'worker' && this.#isRegistered(from));
    const own = this.#holderOf(from);
    if (isStranger && !this.#hasRoom(this.#strangers)) {
      this.#waitFrom(this.#strangers, sequence);
      this.#rememberWaiting(from);
    }
    if (!this.#hasRoom(own)) this.#waitFrom(own, sequence);
  }

  /** A message that was passed over waits again, where what waits is being gone through and is past it. */
  waitAgain(sequence: Sequence, { from }: Sender): void {
    if (sequence >= this.#at) return;
    for (const holder of [this.#holderOf(from), this.#strangers])
      if (this.#resuming.has(holder)) this.#waitFrom(holder, sequence);
  }

  /** From where on to go through the store again, for those that wait and have room; undefined: there are none. */
  resume(): Sequence | undefined {
    if (this.#resuming.size === 0) {
      let from: Sequence | undefined;
      for (const holder of this.#waiting) {
        const { waitsFrom } = holder;
        if (waitsFrom === undefined || !this.#hasMuchRoom(holder)) continue;
        this.#resuming.add(holder);
        if (from === undefined || waitsFrom < from) from = waitsFrom;
      }
      if (from !== undefined) this.#at = from;
    }
    return this.#resuming.size > 0 ? this.#at : undefined;
  }

  /** Whether a message that is being gone through is one of those that waited. What did not was handed out before. */
  isDue(sequence: Sequence, { from, fromKind }: Sender): boolean {
    const isDueOf = (holder: Holder): boolean =>
      this.#resuming.has(holder) && holder.waitsFrom !== undefined && holder.waitsFrom <= sequence;
    if (isDueOf(this.#holderOf(from))) return true;
    const mayBeStranger =
      this.#hasForgotten || this.#isStranger(from, fromKind === 'worker' && this.#isRegistered(from));
    return mayBeStranger && isDueOf(this.#strangers);
  }

  /** All before it was gone through. */
  wentOn(to: Sequence): void {
    this.#at = to;
  }

  /** All was gone through. */
  caughtUp(): void {
    for (const holder of this.#resuming) {
      holder.waitsFrom = undefined;
      this.#waiting.delete(holder);
      if (holder === this.#strangers) this.#forgetWaiting();
    }
    this.#resuming.clear();
  }

  #holderOf(id: Hex): Holder {
    const known = this.#senders.get(id);
    if (known !== undefined) return known;
    if (this.#senders.size >= mostSenders) this.#forgetIdle();
    const holder = newHolder();
    this.#senders.set(id, holder);
    return holder;
  }

  #forgetIdle(): void {
    for (const [id, { count, waitsFrom }] of this.#senders)
      if (count === 0 && waitsFrom === undefined) this.#senders.delete(id);
  }

  /** Who waits among the strangers stays one of them: what it sends as a worker is not to come before. */
  #isStranger(id: Hex, isRegistered: boolean): boolean {
    return !isRegistered || this.#waitingStrangers.has(id);
  }

  #rememberWaiting(id: Hex): void {
    if (this.#waitingStrangers.size < mostWaiting) this.#waitingStrangers.add(id);
    else if (!this.#waitingStrangers.has(id)) this.#hasForgotten = true;
  }

  #forgetWaiting(): void {
    this.#waitingStrangers.clear();
    this.#hasForgotten = false;
  }

  #isHeldUp(holder: Holder, sequence: Sequence, isBehind: boolean): boolean {
    const { waitsFrom } = holder;
    return waitsFrom !== undefined && waitsFrom <= sequence && !(isBehind && this.#resuming.has(holder));
  }

  #waitFrom(holder: Holder, sequence: Sequence): void {
    const { waitsFrom } = holder;
    const isGoneThrough = this.#resuming.delete(holder);
    holder.waitsFrom = isGoneThrough || waitsFrom === undefined || sequence < waitsFrom ? sequence : waitsFrom;
    this.#waiting.add(holder);
  }

  #hasRoom(holder: Holder): boolean {
    return holder.count < this.#shareOf(holder) && holder.bytes < this.#shareOfBytes(holder);
  }

  #hasMuchRoom(holder: Holder): boolean {
    return 2 * holder.count <= this.#shareOf(holder) && 2 * holder.bytes <= this.#shareOfBytes(holder);
  }

  #shareOf(holder: Holder): number {
    const { count } = this.#most;
    if (holder === this.#strangers) return Math.ceil(strangerPart * count);
    const first = Math.ceil(firstPart * count) - (this.#all.count - holder.count);
    return Math.max(1, Math.floor(fewPart * count), first);
  }

  #shareOfBytes(holder: Holder): number {
    const { bytes } = this.#most;
    if (holder === this.#strangers) return strangerPart * bytes;
    return Math.max(1, fewPart * bytes, firstPart * bytes - (this.#all.bytes - holder.bytes));
  }
}

function newHolder(): Holder {
  return { count: 0, bytes: 0, waitsFrom: undefined };
}
