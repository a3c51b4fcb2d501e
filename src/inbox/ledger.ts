import type { BlockId, Head, PostedMessage } from '../chain/index.ts';
import type { ReplayWindow } from '../channel/index.ts';
import type { Hex } from '../codec/index.ts';
import type { RelayError } from '../errors/index.ts';
import type { Write } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { admitAll, openAll } from './admission.ts';
import type { Arrival, OpenedMessage, Outcome } from './arrival.ts';
import { maxBlockNumber } from './early-marks.ts';
import type { InboxStore } from './inbox-store.ts';
import { displaced, settleWrites } from './reorgs.ts';
import { RelayedArrivals } from './relayed-arrivals.ts';
import type { Sequence, StreamItem } from './stream-item.ts';
import { reorgWrites } from './taken-back.ts';
import type { Plan, Transactions } from './transactions.ts';

export interface LedgerParts {
  readonly store: InboxStore;
  readonly window: ReplayWindow;
  readonly vault: Vault;
  readonly genesisHash: Hex;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Whether an id is a registered worker. */
  readonly isRegistered: (id: Hex) => boolean;
}

/** Writes what comes in, on chain and by relays, and what reorgs take back: messages, replay window and cursor together. */
export class Ledger {
  readonly #parts: LedgerParts;
  readonly #transactions: Transactions;
  #hasRetracted: boolean | undefined;
  #hasEarly: boolean | undefined;
  readonly #relayed: RelayedArrivals;

  constructor(transactions: Transactions, parts: LedgerParts) {
    this.#parts = parts;
    this.#transactions = transactions;
    this.#relayed = new RelayedArrivals(transactions, (arrivals) => this.#take(arrivals));
  }

  /**
   * Takes the messages of finalized blocks, and moves the cursor behind them; not where `before`, the taking of the blocks
   * before them, has failed. `moreFollow`: those of the next blocks are being read.
   */
  takeFinal(
    messages: readonly PostedMessage[],
    through: BlockId,
    { before, moreFollow }: { readonly before: Promise<void>; readonly moreFollow: boolean },
  ): Promise<void> {
    const { store } = this.#parts;
    this.#transactions.expectMore(true);
    const arrivals = messages.map((message) => arrivalOf(message, true));
    // At once, while the transaction before is on its way to the disk.
    const opening = openAll(this.#parts, arrivals);
    opening.catch(() => undefined); // told when it is its turn
    return this.#transactions.inTurn(async () => {
      try {
        await before;
        const opened = await opening;
        if (await this.#mayHaveEarly()) await this.#takeAfterEarly(messages, opened, through);
        else await this.#admit(arrivals, opened, async () => [store.cursorWrite(through)]);
      } finally {
        this.#transactions.expectMore(moreFollow);
      }
    });
  }

  /** Takes the messages of a best block. A block that was there in its place before is retracted first. */
  takeEarly(head: Head, messages: readonly PostedMessage[]): Promise<void> {
    const { store } = this.#parts;
    return this.#transactions.inTurn(async () => {
      if (messages.length === 0) {
        await this.#retract(
          (await store.early.taken(head.number, head.number)).filter(({ hash }) => hash !== head.hash),
        );
        return;
      }
      if (await store.early.isTaken(head)) return;
      // It is on a branch that was not seen before: what was taken at its height or above is on another one.
      await this.#retract(await store.early.taken(head.number, maxBlockNumber));
      const arrivals = messages.map((message) => arrivalOf(message, false));
      this.#hasEarly = true;
      await this.#take(arrivals, async () => [store.early.takenWrite(head, true)]);
    });
  }

  /** Takes back the messages of a block that left the best branch. */
  retract(block: BlockId): Promise<void> {
    return this.#transactions.inTurn(async () => {
      if (await this.#parts.store.early.isTaken(block)) await this.#retract([block]);
    });
  }

  /** All blocks up to this one are finalized, and were taken. */
  settle(head: BlockId): Promise<void> {
    return this.#transactions.inTurn(() => this.#settle(head));
  }

  /**
   * Goes on after finalized blocks that can't be known, and tells the consumer. What was early of them stays where
   * `isFinal` tells that their hash is on the chain, and is taken back otherwise.
   */
  passOver(first: number, through: BlockId, isFinal: (block: BlockId) => Promise<boolean>): Promise<void> {
    const { store } = this.#parts;
    return this.#transactions.inTurn(async () => {
      const gone: BlockId[] = [];
      for (const block of await store.early.taken(0, through.number)) if (!(await isFinal(block))) gone.push(block);
      await this.#retract(gone);
      await this.#transactions.transact(async (start) => {
        const { writes, items } = await settleWrites(this.#parts, through);
        return this.#withItems(writes, [...items, { kind: 'gap', first, last: through.number }], start);
      });
      this.#hasEarly = undefined;
    });
  }

  /** Takes a relayed message; those that come at the same time share a transaction. */
  takeRelayed(arrival: Arrival): Promise<Outcome> {
    return this.#relayed.take(arrival);
  }

  async #take(
    arrivals: readonly Arrival[],
    more: () => Promise<readonly Write[]> = async () => [],
  ): Promise<readonly Outcome[]> {
    return this.#admit(arrivals, await openAll(this.#parts, arrivals), more);
  }

  #admit(
    arrivals: readonly Arrival[],
    opened: readonly (OpenedMessage | RelayError)[],
    more: () => Promise<readonly Write[]> = async () => [],
  ): Promise<readonly Outcome[]> {
    return this.#transactions.transact(async (start) => {
      const context = { ...this.#parts, hasRetracted: await this.#mayHaveRetracted() };
      const { writes, next, outcomes } = await admitAll(context, arrivals, opened, start);
      return { writes: [...writes, ...(await more())], next, outcomes };
    });
  }

  async #settle(head: BlockId): Promise<void> {
    await this.#transactions.transact(async (start) => {
      const { writes, items } = await settleWrites(this.#parts, head);
      return this.#withItems(writes, items, start);
    });
    this.#hasRetracted = undefined;
  }

  async #retract(blocks: readonly BlockId[]): Promise<void> {
    if (blocks.length === 0) return;
    this.#hasRetracted = true;
    await this.#transactions.transact(async (start) => {
      const { writes, items } = await reorgWrites(this.#parts, blocks, start);
      return this.#withItems(writes, items, start);
    });
  }

  /** As final, where blocks were taken before they were final: each step may be the last before a crash. */
  async #takeAfterEarly(
    messages: readonly PostedMessage[],
    opened: readonly (OpenedMessage | RelayError)[],
    through: BlockId,
  ): Promise<void> {
    const { store } = this.#parts;
    // A block that brought something early brings it again if it was finalized.
    const final = new Map(messages.map(({ block }) => [block.hash, block]));
    const taken = await store.early.taken(0, through.number);
    const gone = taken.filter(({ hash }) => !final.has(hash));
    await this.#retract([...gone, ...(await displaced(store, opened, through))]);
    for (const { hash } of taken) final.delete(hash);
    // What was taken is here, and a dead letter has no nonce that would tell so.
    const isNew = messages.map(({ block }) => final.has(block.hash));
    await this.#admit(
      messages.filter((_, i) => isNew[i]).map((message) => arrivalOf(message, true)),
      opened.filter((_, i) => isNew[i]),
      async () => [...final.values()].map((block) => store.early.takenWrite(block, true)),
    );
    await this.#settle(through);
    this.#hasEarly = undefined;
  }

  #withItems(writes: readonly Write[], items: readonly StreamItem[], start: Sequence): Plan {
    const { store } = this.#parts;
    const added = items.map((item, i) => store.itemWrite(start + BigInt(i), item));
    return { writes: [...writes, ...added], next: start + BigInt(items.length), outcomes: [] };
  }

  async #mayHaveEarly(): Promise<boolean> {
    const { store } = this.#parts;
    // What was retracted has no block any more, and waits for its number to be final.
    const isAny = async (): Promise<boolean> =>
      (await store.early.taken(0, maxBlockNumber)).length > 0 ||
      (await store.early.messages(0, maxBlockNumber)).length > 0;
    return (this.#hasEarly ??= await isAny());
  }

  async #mayHaveRetracted(): Promise<boolean> {
    return (this.#hasRetracted ??= await this.#parts.store.early.hasRetracted());
  }
}

function arrivalOf({ payload, sender, block, proven }: PostedMessage, isFinal: boolean): Arrival {
  return { envelope: payload, posting: { sender, block, isFinal, isProven: proven } };
}
