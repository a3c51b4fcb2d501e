import type { ReplayWindow } from '../channel/index.ts';
import type { Expectation, Write } from '../store/index.ts';
import { Acknowledgements, companyMs } from './acknowledgements.ts';
import type { Outcome } from './arrival.ts';
import type { InboxStore } from './inbox-store.ts';
import { serial } from './serial.ts';
import type { Sequence } from './stream-item.ts';

export interface TransactionParts {
  readonly store: InboxStore;
  readonly window: ReplayWindow;
  /** Called after each transaction, in order, with the sequence after it. */
  readonly onAccepted: (outcomes: readonly Outcome[], next: Sequence) => void;
  /** Called when it is durable that these are done with, before what the same transaction accepted. */
  readonly onDone: (sequences: readonly Sequence[]) => void;
}

/** What one transaction does. */
export interface Plan {
  readonly writes: readonly Write[];
  /** Sequence after it. */
  readonly next: Sequence;
  readonly outcomes?: readonly Outcome[];
}

const planNothing = async (start: Sequence): Promise<Plan> => ({ writes: [], next: start });

/**
 * The transactions of an inbox, one after another, with the acknowledgements that wait. Another process may write to the same
 * store (`khala-relay inbox retry`, or who acknowledges what an inbox before handed out): the sequence tells, or what is
 * done with of a run, and what was planned is planned again.
 */
export class Transactions {
  /** Runs work when what was asked for before is done. */
  readonly inTurn = serial();
  readonly #parts: TransactionParts;
  #next: Sequence | undefined;
  #acknowledged: Acknowledgements | undefined;
  #moreFollow = false;

  constructor(parts: TransactionParts) {
    this.#parts = parts;
  }

  /** What is to be written before anything is read: durable when this resolves. False: the store is not as it was expected. */
  begin(writes: readonly Write[], expected: Expectation): Promise<boolean> {
    return this.inTurn(async () => {
      const { store } = this.#parts;
      if (writes.length === 0 || (await store.commit(writes, [expected]))) return true;
      store.forget();
      return false;
    });
  }

  /** Whether one follows soon: many acknowledgements wait for it then. */
  expectMore(moreFollow: boolean): void {
    this.#moreFollow = moreFollow;
  }

  /** Resolves when what was asked for before is done. */
  settled(): Promise<void> {
    return this.inTurn(() => this.#acknowledgeAll());
  }

  /** Whether another process accepted something since this was asked, or since the last transaction; true at first: it may have. */
  isBehind(): Promise<boolean> {
    return this.inTurn(async () => {
      const next = await this.#parts.store.nextSequence();
      if (this.#next === next) return false;
      this.#forget();
      this.#next = next;
      return true;
    });
  }

  /** Resolves when it is durable that the message is done with; many share a transaction, and the promise. */
  acknowledge(sequence: Sequence, isFinal: boolean): Promise<void> {
    let waiting = this.#acknowledged;
    if (waiting === undefined) {
      this.#acknowledged = waiting = new Acknowledgements();
      void this.inTurn(() => this.#acknowledgeSoon());
    }
    (isFinal ? waiting.final : waiting.early).push(sequence);
    return waiting.durable;
  }

  /** Plans and commits, again where somebody else accepted something meanwhile. Acknowledgements that wait go with it. */
  async transact(plan: (start: Sequence) => Promise<Plan>): Promise<readonly Outcome[]> {
    // Those of what is early go before it: a plan may change the same items.
    while ((this.#acknowledged?.early.length ?? 0) > 0) await this.#acknowledgeAll();
    return this.#commit(plan);
  }

  /** What has no part in the sequence. */
  change(plan: (store: InboxStore) => Promise<readonly Write[]>): Promise<void> {
    return this.inTurn(() => this.#change(plan));
  }

  async #change(plan: (store: InboxStore) => Promise<readonly Write[]>): Promise<void> {
    const { store } = this.#parts;
    try {
      while (!(await store.commit(await plan(store)))) store.forget();
    } catch (error) {
      store.forget();
      throw error;
    }
  }

  async #commit(plan: (start: Sequence) => Promise<Plan>): Promise<readonly Outcome[]> {
    const acknowledged = this.#acknowledged;
    this.#acknowledged = undefined;
    return this.#commitWith(acknowledged, plan);
  }

  async #commitWith(
    acknowledged: Acknowledgements | undefined,
    plan: (start: Sequence) => Promise<Plan>,
  ): Promise<readonly Outcome[]> {
    const { onAccepted, onDone } = this.#parts;
    let done: Plan;
    try {
      done = await this.#stored(acknowledged, plan);
    } catch (error) {
      this.#forget();
      // What could not be planned, or has no room on the disk, is no affair of those that only went with it.
      if (acknowledged !== undefined && plan !== planNothing)
        await this.#commitWith(acknowledged, planNothing).catch(() => undefined);
      else acknowledged?.reject(error);
      throw error;
    }
    const { next, outcomes = [] } = done;
    if (acknowledged !== undefined) {
      onDone(acknowledged.final);
      onDone(acknowledged.early);
      acknowledged.resolve();
    }
    onAccepted(outcomes, next);
    return outcomes;
  }

  /** The plan that was stored: the last one. */
  async #stored(acknowledged: Acknowledgements | undefined, plan: (start: Sequence) => Promise<Plan>): Promise<Plan> {
    const { store } = this.#parts;
    for (;;) {
      const done = acknowledged === undefined ? [] : await this.#doneWrites(acknowledged);
      const start = (this.#next ??= await store.nextSequence());
      const planned = await plan(start);
      const moved = planned.next === start ? [] : [store.sequenceWrite(planned.next)];
      const all = [...planned.writes, ...done, ...moved];
      if (all.length === 0 || (await store.commit(all, [store.sequenceExpectation(start)]))) {
        this.#next = planned.next;
        return planned;
      }
      this.#forget();
    }
  }

  async #acknowledgeSoon(): Promise<void> {
    const waiting = this.#acknowledged;
    if (waiting === undefined || waiting.isWaiting) return;
    if (!this.#moreFollow || !waiting.areMany) return this.#acknowledgeAll();
    waiting.isWaiting = true;
    setTimeout(() => {
      if (this.#acknowledged === waiting) void this.inTurn(() => this.#acknowledgeAll());
    }, companyMs);
  }

  async #acknowledgeAll(): Promise<void> {
    if (this.#acknowledged === undefined) return;
    await this.#commit(planNothing).catch(() => undefined); // told to each
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

  /** What is remembered is not what the store has. */
  #forget(): void {
    this.#next = undefined;
    this.#parts.window.forget();
    this.#parts.store.forget();
  }
}
