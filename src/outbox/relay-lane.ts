import type { Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { asRelayError, isLocalFailure, type RelayError } from '../errors/index.ts';
import { AskedIds } from './asked-ids.ts';
import { ChainDetour } from './chain-detour.ts';
import type { DeliveryState } from './delivery-state.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import { HandOver, type HandedOver, type HandOverWork } from './hand-over.ts';
import { isWaiting, type Progress } from './message-record.ts';
import type { Carried, OffChainCarrier } from './off-chain-carrier.ts';
import type { OffChainEntry } from './off-chain-entry.ts';
import { Change, type Stored } from './outbox-change.ts';
import { pause } from './pause.ts';
import { ReadWatch } from './read-watch.ts';
import type { Sealed } from './seal-kept.ts';
import type { SendId } from './send-id.ts';
import { Unreached } from './unreached.ts';
import { WaitingMessages, type NextMessage } from './waiting-messages.ts';

/** Recipients that are served at a time; to each one goes one message after the other. */
const maxRecipients = 16;
const pageSize = 256;
/** Before the store is tried again. */
const retryMs = 1_000;

/** No other try can help. */
const final: ReadonlySet<string> = new Set([
  ...['envelope-too-large', 'off-chain-only-v1', 'signer-mismatch', 'replay-too-old', 'bad-signature'],
  ...['unknown-recipient', 'unproven-key', 'bad-public-key', 'bad-shared-secret', 'kept-open-failed', 'from-self'],
]);

export interface RelayWork extends HandOverWork {
  readonly carrier: OffChainCarrier | undefined;
  /** Whether what is on the chain's side gets on no further there: as without an account. */
  readonly isChainStuck: () => boolean;
}

/**
 * Hands messages to the carrier, in order for each recipient, and what it can't take to the chain; where that does not get on
 * either, they come back to be tried again.
 */
export class RelayLane {
  readonly #work: RelayWork;
  readonly #reads: ReadWatch;
  readonly #deliveries: DeliveryWatch;
  /** All that is in the queue, up to `#seen`. */
  readonly #waiting = new WaitingMessages();
  readonly #unreached: Unreached;
  /** Recipients whose messages are to go on chain, where they may. */
  readonly #lost = new Set<Hex>();
  readonly #detour: ChainDetour;
  readonly #handOver: HandOver;
  readonly #asked: AskedIds;
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
    this.#reads = new ReadWatch(work, work.carrier);
    this.#deliveries = new DeliveryWatch(work, work.carrier);
    this.#detour = new ChainDetour(work);
    this.#handOver = new HandOver(work);
    this.#asked = new AskedIds(work.now);
    this.#unreached = new Unreached((to) => {
      this.#release(to);
      this.#fill();
    });
  }

  async load(): Promise<void> {
    await this.#asked.load(this.#work.store);
    await this.#reads.load();
    await this.#deliveries.load();
  }

  /** What is on the chain's side has met with something that is in its way, or was under way and is not any more. */
  lookAtChainSide(): void {
    this.#detour.lookAgain();
    this.#work.wake();
  }

  read(sendId: SendId): void {
    this.#reads.read(sendId);
  }

  forget(sendId: SendId): void {
    this.#reads.read(sendId);
    this.#deliveries.forget(sendId);
  }

  ended(sendId: SendId): void {
    this.#asked.forget(sendId);
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
  hurry(): void {
    this.#unreached.hurry();
    this.#reads.hurry();
    this.#deliveries.hurry();
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#busy.values());
    this.#unreached.stop();
    await this.#reads.stop();
    await this.#deliveries.stop();
  }

  /** From the chain's side, to recipients that may be reached: their turn to be tried comes after a pause. */
  async #comeBack(): Promise<void> {
    if (this.#isComingBack)
      for (const to of await this.#detour.recipients()) {
        if (this.#busy.has(to) || this.#unreached.isPausing(to) || this.#probed.has(to)) continue;
        const isProbe = this.#unreached.isDoubtful(to);
        for await (const entry of this.#detour.giveBack(to, isProbe ? 1 : Infinity)) {
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
      if (requeued.entries.length < requeued.marks.length) this.#detour.lookAgain();
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
    if (!this.#isComingBack || this.#probed.has(to) || !this.#detour.mayHave(to)) {
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
    if (stored !== undefined && isWaiting(stored)) await this.#carry(stored, carrier);
    // Another process has cancelled it.
    else this.#waiting.remove(to, id);
  }

  async #carry(stored: Stored, carrier: OffChainCarrier): Promise<void> {
    const { to } = stored.record;
    await this.#work.directory.load?.(to, this.#work.signal);
    if (!carrier.canReach(to)) {
      await this.#notReached(stored);
      return;
    }
    let current: Stored | undefined = stored;
    try {
      const sealed = await this.#handOver.seal(stored);
      // From here on it can not be cancelled: the recipient may have it.
      current = await this.#mark(stored, { state: 'submitted', messageId: sealed.messageId }, sealed);
      if (current === undefined) return;
      const taken = await this.#handOver.give({ ...sealed, stored: current }, carrier, (again) =>
        this.#askAgain(again),
      );
      this.#unreached.reached(to);
      await this.#relayed(current, taken);
    } catch (error) {
      // As it is when the process ends it is found again: it goes again, with its nonce.
      if (this.#work.signal.aborted || current === undefined) throw error;
      const waiting = await this.#mark(current, { state: 'queued' });
      if (isLocalFailure(error)) throw error;
      if (waiting !== undefined) await this.#notCarried(waiting, asRelayError(error, 'outbox-setback'));
    }
  }

  async #relayed(stored: Stored, { sealed, carried }: HandedOver): Promise<void> {
    const { id, record } = stored;
    const end = { state: 'relayed', messageId: sealed.messageId, ...carried } as const;
    const delivery = record.deliveryReceipt ? this.#deliveryOf(sealed, carried) : undefined;
    await this.#record(stored, end, delivery);
    await this.#reads.carried({ ...stored, record: { ...record, progress: end } }).catch(this.#work.setback);
    if (delivery !== undefined) this.#deliveries.carried(id, delivery);
  }

  #deliveryOf({ envelope }: Sealed, { status }: Carried): DeliveryState {
    if (status === 'delivered') return { state: 'delivered', at: BigInt(this.#work.now()) };
    return { state: 'awaited', at: decodeV1(envelope).header.sentAt };
  }

  /** undefined where another process has changed it. */
  async #mark(stored: Stored, progress: Progress, sealed?: Sealed): Promise<Stored | undefined> {
    if (stored.record.progress.state === progress.state && progress.state === 'queued') return stored;
    const change = new Change().progress(stored, progress);
    if (sealed !== undefined) this.#asked.add(stored, sealed, change);
    const isSaved = await this.#work.save(change, [stored], [[stored.id, progress]]);
    return isSaved ? this.#work.store.get(stored.id) : undefined;
  }

  async #askAgain(sealed: Sealed): Promise<void> {
    const { stored } = sealed;
    if (stored.record.readReceipt) await this.#work.save(this.#asked.add(stored, sealed, new Change()), [stored], []);
  }

  async #notCarried(stored: Stored, error: RelayError): Promise<void> {
    if (final.has(error.code) && !this.#mayGoElsewhere(stored)) {
      await this.#finish(stored, { state: 'failed', error });
      return;
    }
    const isElsewhere = await this.#notReached(stored);
    // It costs a fee each time, until somebody sets the clock.
    if (!isElsewhere || error.code === 'clock-skew') this.#work.setback(error);
  }

  /** Whether it goes on chain. The recipient is tried again after a pause, where something waits for that. */
  async #notReached(stored: Stored): Promise<boolean> {
    const { to } = stored.record;
    const isElsewhere = this.#mayGoElsewhere(stored) && (await this.#toChain(to, [stored.id]));
    if (!isElsewhere || this.#work.isChainStuck()) this.#pause(to);
    return isElsewhere;
  }

  /** The relay has it: until that is written down nothing else becomes of it, however often the store fails. */
  async #record(stored: Stored, end: Progress, delivery: DeliveryState | undefined): Promise<void> {
    const { signal, setback } = this.#work;
    for (;;) {
      try {
        await this.#finish(stored, end, delivery);
        return;
      } catch (error) {
        if (signal.aborted) throw error;
        setback(error);
        await pause(retryMs, signal);
      }
    }
  }

  async #finish(stored: Stored, end: Progress, delivery?: DeliveryState): Promise<void> {
    const change = new Change();
    if (delivery !== undefined) change.delivery(stored.id, delivery);
    // Whatever place it has: none takes it from there once more.
    for (const lane of ['relay', stored.record.as] as const) change.unqueue(stored, lane);
    const isSaved = await this.#work.finish([[stored, end]], change);
    if (isSaved) this.#waiting.remove(stored.record.to, stored.id);
  }

  /** On chain, where the sender agreed to fees. */
  #mayGoElsewhere({ record }: Stored): boolean {
    return record.via !== 'relay' && this.#work.account !== undefined;
  }

  /** False: another process has changed one of them, and none went. */
  async #toChain(to: Hex, ids: readonly SendId[]): Promise<boolean> {
    if (!(await this.#detour.take(ids))) return false;
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
