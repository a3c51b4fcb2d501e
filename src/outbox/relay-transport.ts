import type { Hex } from '../codec/index.ts';
import type { RelayError } from '../errors/index.ts';
import { Carriage, type CarriageWork } from './carriage.ts';
import { ChainFallback } from './chain-fallback.ts';
import { isWaiting } from './message-record.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import type { OffChainEntry } from './off-chain-entry.ts';
import type { Stored } from './outbox-change.ts';
import type { SendId } from './send-id.ts';
import { Unreached } from './unreached.ts';
import { WaitingMessages, type NextMessage } from './waiting-messages.ts';

/** Recipients that are served at a time; to each one goes one message after the other. */
const maxRecipients = 16;
const pageSize = 256;

/** No other try can help. */
const final: ReadonlySet<string> = new Set([
  ...['envelope-too-large', 'off-chain-only-v1', 'signer-mismatch', 'replay-too-old', 'bad-signature'],
  ...['unknown-recipient', 'unproven-key', 'bad-public-key', 'bad-shared-secret', 'kept-open-failed', 'from-self'],
]);

export interface RelayWork extends CarriageWork {
  /** Whether what is on the chain's side gets on no further there: as without an account. */
  readonly isChainStuck: () => boolean;
}

/**
 * Hands messages to the carrier, in order for each recipient, and what it can't take to the chain; where that does not get on
 * either, they come back to be tried again.
 */
export class RelayTransport {
  readonly #work: RelayWork;
  readonly #carriage: Carriage;
  /** All that is in the queue, up to `#seen`. */
  readonly #waiting = new WaitingMessages();
  readonly #unreached: Unreached;
  /** Recipients whose messages are to go on chain, where they may. */
  readonly #lost = new Set<Hex>();
  readonly #fallback: ChainFallback;
  readonly #busy = new Map<Hex, Promise<void>>();
  /** Whose messages are being moved to the chain: none of them is handed over meanwhile. */
  #freeing: Hex | undefined;
  /** Whose turn waits for what comes back from the chain's side. */
  readonly #held = new Set<Hex>();
  /** Whom one that came back from the chain's side is for, the others there wait for what comes of it. */
  readonly #probed = new Set<Hex>();
  #seen: SendId = -1n;

  constructor(work: RelayWork) {
    this.#work = work;
    this.#carriage = new Carriage(work);
    this.#fallback = new ChainFallback(work);
    this.#unreached = new Unreached((to) => {
      this.#release(to);
      this.#fill();
    });
  }

  load(): Promise<void> {
    return this.#carriage.load();
  }

  /** What is on the chain's side has met with something that is in its way, or was under way and is not any more. */
  lookAtChainSide(): void {
    this.#fallback.lookAgain();
    this.#work.wake();
  }

  read(sendId: SendId): void {
    this.#carriage.read(sendId);
  }

  forget(sendId: SendId): void {
    this.#carriage.forget(sendId);
  }

  ended(sendId: SendId): void {
    this.#carriage.ended(sendId);
  }

  /** Takes in what is new in the queue, and begins what can begin. */
  async step(): Promise<boolean> {
    await this.#takeRequeued();
    // Before what was sent later.
    await this.#comeBack();
    await this.#takeIn();
    await this.#freeLost();
    this.#fill();
    return false;
  }

  /** Those that were not reached may be now. */
  tryAgain(): void {
    this.#unreached.tryAgain();
    this.#carriage.tryAgain();
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#busy.values());
    this.#unreached.stop();
    await this.#carriage.stop();
  }

  /** From the chain's side, to recipients that may be reached: their turn to be tried comes after a pause. */
  async #comeBack(): Promise<void> {
    if (this.#isComingBack)
      for (const to of await this.#fallback.recipients()) {
        if (this.#busy.has(to) || this.#unreached.isPausing(to) || this.#probed.has(to)) continue;
        const isProbe = this.#unreached.isDoubtful(to);
        for await (const entry of this.#fallback.giveBack(to, isProbe ? 1 : Infinity)) {
          this.#waiting.add(entry);
          if (isProbe) this.#probed.add(to);
        }
        this.#release(to);
      }
    for (const to of [...this.#held]) {
      this.#held.delete(to);
      this.#release(to);
    }
  }

  get #isComingBack(): boolean {
    return this.#work.carrier !== undefined && this.#work.isChainStuck();
  }

  /** Ids ascend, whoever queues: what is behind the last is new. */
  async #takeIn(): Promise<void> {
    const { store } = this.#work;
    for (;;) {
      const { entries, last } = await store.offChain(pageSize, this.#seen + 1n);
      if (last === undefined) break;
      for (const entry of entries) this.#add(entry);
      this.#seen = last;
    }
  }

  async #takeRequeued(): Promise<void> {
    const { store } = this.#work;
    for (;;) {
      const requeued = await store.requeued(pageSize);
      if (requeued.marks.length === 0) break;
      for (const entry of requeued.entries) this.#add(entry);
      // One without a place off chain may have one on the chain's side.
      if (requeued.entries.length < requeued.marks.length) this.#fallback.lookAgain();
      await store.heard(requeued);
    }
  }

  #add(entry: OffChainEntry): void {
    this.#waiting.add(entry);
    const { to } = entry;
    if (this.#isOutOfReach(to)) this.#lose(to);
  }

  /** Where the recipient is not reached, none waits behind one that may go off chain only. */
  #lose(to: Hex): void {
    if (this.#work.account !== undefined) this.#lost.add(to);
  }

  async #freeLost(): Promise<void> {
    for (const to of [...this.#lost]) {
      this.#lost.delete(to);
      this.#freeing = to;
      try {
        await this.#free(to);
      } catch (error) {
        this.#lose(to);
        throw error;
      } finally {
        this.#freeing = undefined;
        this.#release(to);
      }
    }
  }

  /** Ends where the recipient is tried again: what comes of that tells where the rest goes. */
  async #free(to: Hex): Promise<void> {
    while (this.#isOutOfReach(to)) {
      const ids = this.#waiting.mayGoOnChain(to, pageSize);
      if (ids.length === 0) return;
      await this.#toChain(to, ids);
    }
  }

  #isOutOfReach(to: Hex): boolean {
    return this.#work.carrier === undefined || this.#unreached.isPausing(to);
  }

  #release(to: Hex): void {
    if (this.#busy.has(to) || this.#freeing === to || this.#unreached.isPausing(to)) return;
    if (!this.#isComingBack || this.#probed.has(to) || !this.#fallback.mayHave(to)) {
      this.#waiting.release(to);
      return;
    }
    // What was sent before comes back first.
    this.#held.add(to);
    this.#work.wake();
  }

  #fill(): void {
    const { carrier, signal } = this.#work;
    if (carrier === undefined) return;
    while (this.#busy.size < maxRecipients && !signal.aborted) {
      const next = this.#waiting.take();
      if (next === undefined) return;
      this.#serve(next, carrier);
    }
  }

  #serve(next: NextMessage, carrier: OffChainCarrier): void {
    const { to } = next;
    const serving = this.#carryNext(next, carrier)
      .catch((error: unknown) => {
        if (this.#work.signal.aborted) return;
        this.#pause(to);
        this.#work.setback(error);
      })
      .finally(() => {
        this.#busy.delete(to);
        this.#probed.delete(to);
        this.#release(to);
        this.#fill();
      });
    this.#busy.set(to, serving);
  }

  async #carryNext({ to, id }: NextMessage, carrier: OffChainCarrier): Promise<void> {
    const stored = await this.#work.store.get(id);
    if (stored === undefined || !isWaiting(stored)) {
      // Another process has cancelled it.
      this.#waiting.remove(to, id);
      return;
    }
    const outcome = await this.#carriage.carry(stored, carrier, () => {
      this.#unreached.reached(to);
    });
    if (outcome === 'ended') this.#waiting.remove(to, id);
    else if (outcome !== 'changed') await this.#notCarried(outcome.waiting, outcome.error);
  }

  async #notCarried(stored: Stored, error: RelayError | undefined): Promise<void> {
    if (error !== undefined && final.has(error.code) && !this.#mayGoElsewhere(stored)) {
      if (await this.#carriage.finish(stored, { state: 'failed', error }))
        this.#waiting.remove(stored.record.to, stored.id);
      return;
    }
    const isElsewhere = await this.#notReached(stored);
    // It costs a fee each time, until somebody sets the clock.
    if (error !== undefined && (!isElsewhere || error.code === 'clock-skew')) this.#work.setback(error);
  }

  /** Whether it goes on chain. The recipient is tried again after a pause, where something waits for that. */
  async #notReached(stored: Stored): Promise<boolean> {
    const { to } = stored.record;
    const isElsewhere = this.#mayGoElsewhere(stored) && (await this.#toChain(to, [stored.id]));
    if (!isElsewhere || this.#work.isChainStuck()) this.#pause(to);
    return isElsewhere;
  }

  /** On chain, where the sender agreed to fees. */
  #mayGoElsewhere({ record }: Stored): boolean {
    return record.via !== 'relay' && this.#work.account !== undefined;
  }

  /** False: another process has changed one of them, and none went. */
  async #toChain(to: Hex, ids: readonly SendId[]): Promise<boolean> {
    if (!(await this.#fallback.take(ids))) return false;
    for (const id of ids) this.#waiting.remove(to, id);
    this.#work.wake();
    return true;
  }

  #pause(to: Hex): void {
    this.#unreached.failed(to);
    this.#lose(to);
    if (this.#lost.has(to)) this.#work.wake();
  }
}
