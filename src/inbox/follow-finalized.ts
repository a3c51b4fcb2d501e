import type { BlockId, BlockNumber, MessagesOptions, PostedMessage } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import type { InboxChain } from './inbox-chain.ts';
import type { Ledger } from './ledger.ts';
import { reached } from './reached.ts';
import { newestFinal } from './starting-point.ts';

/** What to do about blocks of which no endpoint has the state any more. */
export type GapPolicy = 'stop' | 'skip';

export interface FollowParts {
  readonly chain: InboxChain;
  readonly ledger: Ledger;
  readonly options: MessagesOptions;
  readonly onGap: GapPolicy;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Nothing sent from now on is missed. May be called again. */
  readonly markReady: () => void;
}

/** While there is much to catch up one transaction takes so many messages, … */
const messagesAtOnce = 1_024;
/** … or so many bytes of them, … */
const bytesAtOnce = 2 ** 22;
/** … or what came in so many ms, … */
const longestWaitMs = 200;
/** … and an empty one only after so many blocks. */
const quietBlocks = 1_024;

/**
 * Takes every finalized block after `cursor`, at the speed of the store, until the signal or until `until` was taken.
 * Gives the last one taken. Throws what the chain throws, and blocks-missing.
 */
export async function followFinalized(
  { chain, ledger, options, onGap, now, markReady }: FollowParts,
  cursor: BlockId,
  signal: AbortSignal,
  until = Infinity,
): Promise<BlockId> {
  const newest = (): Promise<BlockId> => reached(() => newestFinal(chain, options.verify, signal), signal);
  let { number: present } = await newest();
  let end = until;
  if (cursor.number >= present) markReady();
  if (cursor.number >= end) return cursor;
  const gathered = new Gathered(ledger, cursor, now);
  try {
    for await (const span of chain.messages.follow(cursor, options, signal)) {
      const { through } = span;
      if (span.type === 'retracted') {
        await gathered.goBackTo(through);
        // Who made that up may have been who told how far the chain is.
        const { number } = await newest();
        present = Math.min(present, number);
        if (end !== Infinity) end = Math.min(end, number);
      } else if (span.type === 'missing') {
        await gathered.take();
        const { first, reason, hashAt } = span;
        if (onGap === 'stop')
          throw new RelayError('blocks-missing', { details: { first, last: through.number, reason } });
        const isFinal = async ({ number, hash }: BlockId): Promise<boolean> =>
          (await reached(() => hashAt(number), signal)) === hash;
        await ledger.passOver(first, through, isFinal);
        gathered.skipTo(through);
      } else {
        await turnOfStore();
        if (gathered.isEnoughWith(span.messages)) await gathered.takeWhileReading();
        gathered.add(span.messages, through);
        const isCaughtUp = through.number >= Math.min(present, end);
        if (isCaughtUp) await gathered.take();
        else if (gathered.isEnough) await gathered.takeWhileReading();
      }
      if (through.number >= present) markReady();
      if (through.number >= end) return through;
    }
    return gathered.through;
  } finally {
    await gathered.settled();
  }
}

/**
 * A transaction that was asked for opens in a turn of the event loop. Without one for each span it would wait until all is
 * done with that came meanwhile, and the disk with it.
 */
function turnOfStore(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Messages read and not yet in the store, for one transaction; while it is on its way the next ones are read. */
class Gathered {
  readonly #ledger: Ledger;
  readonly #now: () => number;
  #through: BlockId;
  #taken: BlockNumber;
  #messages: PostedMessage[] = [];
  #bytes = 0;
  #sinceMs = 0;
  #taking: Promise<void> = Promise.resolve();

  constructor(ledger: Ledger, cursor: BlockId, now: () => number) {
    this.#ledger = ledger;
    this.#through = cursor;
    this.#taken = cursor.number;
    this.#now = now;
  }

  get through(): BlockId {
    return this.#through;
  }

  get isEnough(): boolean {
    if (this.#messages.length === 0) return this.#through.number - this.#taken >= quietBlocks;
    const { length } = this.#messages;
    return length >= messagesAtOnce || this.#bytes >= bytesAtOnce || this.#now() - this.#sinceMs >= longestWaitMs;
  }

  /** Whether these would be more than one transaction takes. */
  isEnoughWith(messages: readonly PostedMessage[]): boolean {
    const { length } = this.#messages;
    return length > 0 && length + messages.length > messagesAtOnce;
  }

  add(messages: readonly PostedMessage[], through: BlockId): void {
    if (this.#messages.length === 0) this.#sinceMs = this.#now();
    for (const message of messages) {
      this.#messages.push(message);
      this.#bytes += message.payload.length;
    }
    this.#through = through;
  }

  skipTo(through: BlockId): void {
    this.#through = through;
    this.#taken = through.number;
  }

  /**
   * Later blocks were made up by one node: nothing more is taken of them. What stands in their place is read, and known where it
   * came already.
   */
  async goBackTo(through: BlockId): Promise<void> {
    this.#messages = this.#messages.filter(({ block }) => block.number <= through.number);
    this.#bytes = this.#messages.reduce((sum, { payload }) => sum + payload.length, 0);
    this.#through = through;
    await this.take();
  }

  /** What is gathered goes into a transaction that is not waited for; the one before it is. */
  takeWhileReading(): Promise<void> {
    return this.#take(true);
  }

  async take(): Promise<void> {
    await this.#take(false);
    await this.#taking;
  }

  settled(): Promise<unknown> {
    return this.#taking.catch(() => undefined);
  }

  async #take(moreFollow: boolean): Promise<void> {
    const before = this.#taking;
    if (this.#through.number === this.#taken) return before;
    const messages = this.#messages;
    this.#messages = [];
    this.#bytes = 0;
    this.#taken = this.#through.number;
    this.#taking = this.#ledger.takeFinal(messages, this.#through, { before, moreFollow });
    this.#taking.catch(() => undefined); // told by who waits for it
    await before;
  }
}
