import type { BlockId, Head, PostedMessage } from '../chain/index.ts';
import type { Header, Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import type { RelayError } from '../errors/index.ts';
import type { ReplayWindow } from '../channel/index.ts';
import type { Write } from '../store/index.ts';
import type { Vault } from '../vault/index.ts';
import { Acknowledgements, companyMs } from './acknowledgements.ts';
import { admitAll, openAll, type Arrival, type OpenedMessage, type Outcome } from './admission.ts';
import type { InboxStore } from './inbox-store.ts';
import { reorgWrites, settleWrites } from './reorgs.ts';
import { retryLetters, type Retried } from './retry-letters.ts';
import { serial } from './serial.ts';
import type { MessageRecord, Sequence, StreamItem } from './stream-item.ts';

/** Greater than any. */
const maxBlockNumber = 2 ** 32 - 1;
/** Relayed messages that share a transaction, at most. */
const relayedAtOnce = 256;

export interface LedgerParts {
  readonly store: InboxStore;
  readonly window: ReplayWindow;
  readonly vault: Vault;
  readonly genesisHash: Hex;
  /** Unix time, ms. */
  readonly now: () => number;
  /** Whether an id is a registered worker. */
  readonly isRegistered: (id: Hex) => boolean;
  /** Called after each transaction, in order, with the sequence after it. */
  readonly onAccepted: (outcomes: readonly Outcome[], next: Sequence) => void;
  /** Called when it is durable that these are done with, before what the same transaction accepted. */
  readonly onDone: (sequences: readonly Sequence[]) => void;
}

interface Waiting {
  readonly arrival: Arrival;
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (error: unknown) => void;
}

/** What one transaction does. */
interface Plan {
  readonly writes: readonly Write[];
  /** Sequence after it. */
  readonly next: Sequence;
  readonly outcomes?: readonly Outcome[];
}

/**
 * All that an inbox writes, one transaction after another: messages, replay window and cursor together. Another process
 * may write to the same store (`khala-relay inbox retry`): the sequence tells, and what was decided is decided again.
 */
export class Ledger {
  readonly #parts: LedgerParts;
  readonly #inTurn = serial();
  #next: Sequence | undefined;
  #hasRetracted: boolean | undefined;
  #hasEarly: boolean | undefined;
  #relayed: Waiting[] = [];
  #acknowledged: Acknowledgements | undefined;
  /** Whether messages of finalized blocks are to be taken, or being read that are next. */
  #moreFollow = false;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
  }

  /** Resolves when what was asked for before is done. */
  settled(): Promise<void> {
    return this.#inTurn(() => this.#acknowledgeAll());
  }

  /** Whether another process accepted something. */
  async isBehind(): Promise<boolean> {
    return this.#inTurn(async () => {
      const next = await this.#parts.store.nextSequence();
      const known = this.#next;
      if (known === next) return false;
      this.#next = next;
      this.#parts.window.forget();
      this.#parts.store.forget();
      return known !== undefined;
    });
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
    this.#moreFollow = true;
    const arrivals = messages.map((message) => arrivalOf(message, true));
    // At once, while the transaction before is on its way to the disk.
    const opening = openAll(this.#parts, arrivals);
    opening.catch(() => undefined); // told when it is its turn
    return this.#inTurn(async () => {
      try {
        await before;
        const opened = await opening;
        if (await this.#mayHaveEarly()) await this.#takeAfterEarly(messages, opened, through);
        else await this.#admit(arrivals, opened, async () => [store.cursorWrite(through)]);
      } finally {
        this.#moreFollow = moreFollow;
      }
    });
  }

  /** Takes the messages of a best block. A block that was there in its place before is retracted first. */
  takeEarly(head: Head, messages: readonly PostedMessage[]): Promise<void> {
    const { store } = this.#parts;
    return this.#inTurn(async () => {
      if (messages.length === 0) {
        await this.#retract((await store.taken(head.number, head.number)).filter(({ hash }) => hash !== head.hash));
        return;
      }
      if (await store.isTaken(head)) return;
      // It is on a branch that was not seen before: what was taken at its height or above is on another one.
      await this.#retract(await store.taken(head.number, maxBlockNumber));
      const arrivals = messages.map((message) => arrivalOf(message, false));
      this.#hasEarly = true;
      await this.#take(arrivals, async () => [store.takenWrite(head, true)]);
    });
  }

  /** Takes back the messages of a block that left the best branch. */
  retract(block: BlockId): Promise<void> {
    return this.#inTurn(async () => {
      if (await this.#parts.store.isTaken(block)) await this.#retract([block]);
    });
  }

  /** All blocks up to this one are finalized, and were taken. */
  settle(head: BlockId): Promise<void> {
    return this.#inTurn(() => this.#settle(head));
  }

  /**
   * Goes on after finalized blocks that can't be known, and tells the consumer. What was early of them stays where
   * `isFinal` tells that their hash is on the chain, and is taken back otherwise.
   */
  passOver(first: number, through: BlockId, isFinal: (block: BlockId) => Promise<boolean>): Promise<void> {
    const { store } = this.#parts;
    return this.#inTurn(async () => {
      const gone: BlockId[] = [];
      for (const block of await store.taken(0, through.number)) if (!(await isFinal(block))) gone.push(block);
      await this.#retract(gone);
      await this.#transact(async (start) => {
        const { writes, items } = await settleWrites(this.#parts, through);
        return this.#withItems(writes, [...items, { kind: 'gap', first, last: through.number }], start);
      });
      this.#hasEarly = undefined;
    });
  }

  /** Takes a relayed message; those that come at the same time share a transaction. */
  takeRelayed(arrival: Arrival): Promise<Outcome> {
    const outcome = new Promise<Outcome>((resolve, reject) => {
      this.#relayed.push({ arrival, resolve, reject });
    });
    void this.#inTurn(() => this.#takeWaiting());
    return outcome;
  }

  /** Resolves when it is durable that the message is done with; many share a transaction, and the promise. */
  acknowledge(sequence: Sequence, isFinal: boolean): Promise<void> {
    let waiting = this.#acknowledged;
    if (waiting === undefined) {
      this.#acknowledged = waiting = new Acknowledgements();
      void this.#inTurn(() => this.#acknowledgeSoon());
    }
    (isFinal ? waiting.final : waiting.early).push(sequence);
    return waiting.durable;
  }

  /** Forgets notices that the consumer is done with. */
  tell(sequences: readonly Sequence[]): Promise<void> {
    return this.#change((store) => store.doneWrites(sequences));
  }

  /** Puts an accepted message aside that does not open any more, as when its epoch was erased since. */
  bury(sequence: Sequence, record: MessageRecord, { code }: RelayError): Promise<void> {
    const { envelope, block, isFinal, isProven } = record;
    const letter = { envelope, code, sender: senderOf(record), block, isFinal, isProven, retries: 0 };
    return this.#change(async (store) => [
      store.letterWrite(sequence, letter),
      ...(await store.replaceWrites(sequence, { kind: 'dead', letter: sequence })),
      ...(block === undefined || isFinal ? [] : [store.earlyWrite(block.number, sequence, true)]),
    ]);
  }

  /** Tries dead letters again; all where none are named. */
  retry(letters: readonly Sequence[] | undefined): Promise<readonly Retried[]> {
    return this.#inTurn(async () => {
      let retried: readonly Retried[] = [];
      await this.#transact(async (start) => {
        const plan = await retryLetters(this.#parts, letters, start);
        ({ retried } = plan);
        return plan;
      });
      return retried;
    });
  }

  async #takeWaiting(): Promise<void> {
    const waiting = this.#relayed.splice(0, relayedAtOnce);
    if (waiting.length === 0) return;
    try {
      const outcomes = await this.#take(waiting.map(({ arrival }) => arrival));
      waiting.forEach(({ resolve }, i) => {
        resolve(outcomes[i] ?? { type: 'seen' });
      });
    } catch (error) {
      for (const { reject } of waiting) reject(error);
    }
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
    return this.#transact(async (start) => {
      const context = { ...this.#parts, hasRetracted: await this.#mayHaveRetracted() };
      const { writes, next, outcomes } = await admitAll(context, arrivals, opened, start);
      return { writes: [...writes, ...(await more())], next, outcomes };
    });
  }

  async #settle(head: BlockId): Promise<void> {
    await this.#transact(async (start) => {
      const { writes, items } = await settleWrites(this.#parts, head);
      return this.#withItems(writes, items, start);
    });
    this.#hasRetracted = undefined;
  }

  async #retract(blocks: readonly BlockId[]): Promise<void> {
    if (blocks.length === 0) return;
    this.#hasRetracted = true;
    await this.#transact(async (start) => {
      const { writes, items } = await reorgWrites(this.#parts, blocks);
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
    const taken = await store.taken(0, through.number);
    const gone = taken.filter(({ hash }) => !final.has(hash));
    await this.#retract([...gone, ...(await this.#displaced(opened, through))]);
    for (const { hash } of taken) final.delete(hash);
    // What was taken is here, and a dead letter has no nonce that would tell so.
    const isNew = messages.map(({ block }) => final.has(block.hash));
    await this.#admit(
      messages.filter((_, i) => isNew[i]).map((message) => arrivalOf(message, true)),
      opened.filter((_, i) => isNew[i]),
      async () => [...final.values()].map((block) => store.takenWrite(block, true)),
    );
    await this.#settle(through);
    this.#hasEarly = undefined;
  }

  /**
   * Early blocks above a finalized one that brought what is in a finalized block now: a reorg moved it there, unseen. Once
   * they were found to be gone, it would be past.
   */
  async #displaced(final: readonly (OpenedMessage | RelayError)[], { number }: BlockId): Promise<BlockId[]> {
    const { store } = this.#parts;
    const names = new Set(final.flatMap((each) => ('header' in each ? [nameOf(each.header)] : [])));
    const blocks = new Map<Hex, BlockId>();
    for (const { sequence } of await store.early(number + 1, maxBlockNumber)) {
      const item = await store.item(sequence);
      if (item?.kind !== 'message' || item.block === undefined || item.isRetracted) continue;
      if (names.has(nameOf(decodeV1(item.envelope).header))) blocks.set(item.block.hash, item.block);
    }
    return [...blocks.values()];
  }

  #withItems(writes: readonly Write[], items: readonly StreamItem[], start: Sequence): Plan {
    const { store } = this.#parts;
    const added = items.map((item, i) => store.itemWrite(start + BigInt(i), item));
    return { writes: [...writes, ...added], next: start + BigInt(items.length), outcomes: [] };
  }

  /** What has no part in the sequence. */
  #change(plan: (store: InboxStore) => Promise<readonly Write[]>): Promise<void> {
    const { store } = this.#parts;
    return this.#inTurn(async () => {
      try {
        await store.commit(await plan(store));
      } catch (error) {
        store.forget();
        throw error;
      }
    });
  }

  /** Plans and commits, again where somebody else accepted something meanwhile. Acknowledgements that wait go with it. */
  async #transact(plan: (start: Sequence) => Promise<Plan>): Promise<readonly Outcome[]> {
    // Those of what is early go before it: a plan may change the same items.
    while ((this.#acknowledged?.early.length ?? 0) > 0) await this.#acknowledgeAll();
    return this.#commit(plan);
  }

  async #commit(plan: (start: Sequence) => Promise<Plan>): Promise<readonly Outcome[]> {
    const { store, window, onAccepted, onDone } = this.#parts;
    const acknowledged = this.#acknowledged;
    this.#acknowledged = undefined;
    try {
      for (;;) {
        const done = acknowledged === undefined ? [] : await this.#doneWrites(acknowledged);
        const start = (this.#next ??= await store.nextSequence());
        const { writes, next, outcomes = [] } = await plan(start);
        const moved = next === start ? [] : [store.sequenceWrite(next)];
        const all = [...writes, ...done, ...moved];
        if (all.length === 0 || (await store.commit(all, [store.sequenceExpectation(start)]))) {
          this.#next = next;
          if (acknowledged !== undefined) {
            onDone(acknowledged.final);
            onDone(acknowledged.early);
            acknowledged.resolve();
          }
          onAccepted(outcomes, next);
          return outcomes;
        }
        this.#next = undefined;
        window.forget();
        store.forget();
      }
    } catch (error) {
      this.#next = undefined;
      window.forget();
      store.forget();
      acknowledged?.reject(error);
      throw error;
    }
  }

  async #acknowledgeSoon(): Promise<void> {
    const waiting = this.#acknowledged;
    if (waiting === undefined || waiting.isWaiting) return;
    if (!this.#moreFollow || !waiting.areMany) return this.#acknowledgeAll();
    waiting.isWaiting = true;
    setTimeout(() => {
      if (this.#acknowledged === waiting) void this.#inTurn(() => this.#acknowledgeAll());
    }, companyMs);
  }

  async #acknowledgeAll(): Promise<void> {
    if (this.#acknowledged === undefined) return;
    await this.#commit(async (start) => ({ writes: [], next: start })).catch(() => undefined); // told to each
  }

  async #doneWrites({ final, early }: Acknowledgements): Promise<Write[]> {
    const { store } = this.#parts;
    const writes = await store.doneWrites(final);
    for (const sequence of early) {
      const item = await store.item(sequence);
      const isEarly = item?.kind === 'message' && !item.isFinal;
      writes.push(store.itemWrite(sequence, isEarly ? { ...item, isAcknowledged: true } : undefined));
    }
    return writes;
  }

  async #mayHaveEarly(): Promise<boolean> {
    const { store } = this.#parts;
    // What was retracted has no block any more, and waits for its number to be final.
    const isAny = async (): Promise<boolean> =>
      (await store.taken(0, maxBlockNumber)).length > 0 || (await store.early(0, maxBlockNumber)).length > 0;
    return (this.#hasEarly ??= await isAny());
  }

  async #mayHaveRetracted(): Promise<boolean> {
    return (this.#hasRetracted ??= await this.#parts.store.hasRetracted());
  }
}

function arrivalOf({ payload, sender, block, proven }: PostedMessage, isFinal: boolean): Arrival {
  return { envelope: payload, posting: { sender, block, isFinal, isProven: proven } };
}

/** What a message is told apart by (protocol.md §9). */
function nameOf({ fromKind, from, to, nonce }: Header): string {
  return `${fromKind} ${from} ${to} ${nonce}`;
}

/** Of an accepted message the header's sender is the proven one. */
function senderOf({ envelope, block }: MessageRecord) {
  if (block === undefined) return undefined;
  const { fromKind: kind, from: id } = decodeV1(envelope).header;
  return { kind, id };
}
