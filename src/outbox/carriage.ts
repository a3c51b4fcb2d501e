import { decodeV1 } from '../crypto/core.ts';
import { asRelayError, isLocalFailure, type RelayError } from '../errors/index.ts';
import { LinkedAbort, pause } from '../signals/index.ts';
import { AskedIds } from './asked-ids.ts';
import type { DeliveryState } from './delivery-state.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import { HandOver, type HandedOver, type HandOverWork } from './hand-over.ts';
import type { Progress } from './message-record.ts';
import type { Carried, OffChainCarrier } from './off-chain-carrier.ts';
import { Change, type Stored } from './outbox-change.ts';
import { ReadWatch } from './read-watch.ts';
import type { Sealed } from './seal-kept.ts';
import type { SendId } from './send-id.ts';

/** Before a store that failed is tried again, which tells nobody when it has room; doubles. */
const retryMs = 1_000;
/** Longest of these pauses. */
const maxRetryMs = 30_000;

export interface CarriageWork extends HandOverWork {
  readonly carrier: OffChainCarrier | undefined;
}

/** What became of a message that the carrier was to take. */
export type CarriageOutcome =
  | 'ended'
  /** By another process: nothing more was written. */
  | 'changed'
  /** As it is in the queue again. `error`: why; without it the carrier was not asked. */
  | { readonly waiting: Stored; readonly error?: RelayError };

/** One message's way to the carrier, from the queue to what is told of it later. */
export class Carriage {
  readonly #work: CarriageWork;
  readonly #handOver: HandOver;
  readonly #asked: AskedIds;
  readonly #reads: ReadWatch;
  readonly #deliveries: DeliveryWatch;
  /** Its signal ends pauses before the store is tried again. */
  #pauses = new AbortController();

  constructor(work: CarriageWork) {
    this.#work = work;
    this.#handOver = new HandOver(work);
    this.#asked = new AskedIds(work.now);
    this.#reads = new ReadWatch(work, work.carrier);
    this.#deliveries = new DeliveryWatch(work, work.carrier);
  }

  async load(): Promise<void> {
    await this.#asked.load(this.#work.store);
    await this.#reads.load();
    await this.#deliveries.look();
  }

  /** `taken` is called when the carrier has it, before that is written down. Throws what the store throws, and the vault. */
  async carry(stored: Stored, carrier: OffChainCarrier, taken: () => void): Promise<CarriageOutcome> {
    const { to } = stored.record;
    await this.#work.directory.load?.(to, this.#work.signal);
    if (!carrier.canReach(to)) return { waiting: stored };
    let current: Stored | undefined = stored;
    try {
      const sealed = await this.#handOver.seal(stored);
      // From here on it can not be cancelled: the recipient may have it.
      current = await this.#mark(stored, { state: 'submitted', messageId: sealed.messageId }, sealed);
      if (current === undefined) return 'changed';
      const handed = await this.#handOver.give({ ...sealed, stored: current }, carrier, (again) =>
        this.#askAgain(again),
      );
      taken();
      return await this.#relayed(current, handed);
    } catch (error) {
      // As it is when the process ends it is found again: it goes again, with its nonce.
      if (this.#work.signal.aborted || current === undefined) throw error;
      const waiting = await this.#mark(current, { state: 'queued' });
      if (isLocalFailure(error)) throw error;
      return waiting === undefined ? 'changed' : { waiting, error: asRelayError(error, 'outbox-setback') };
    }
  }

  /** False: another process has changed it. */
  async finish(stored: Stored, end: Progress, change = new Change()): Promise<boolean> {
    // Whatever place it has: none takes it from there once more.
    for (const route of ['relay', stored.record.as] as const) change.unqueue(stored, route);
    return this.#work.finish([[stored, end]], change);
  }

  /** A message was read. */
  read(sendId: SendId): void {
    this.#reads.read(sendId);
  }

  /** A message is kept no more. */
  forget(sendId: SendId): void {
    this.#reads.read(sendId);
    this.#deliveries.forget(sendId);
  }

  /** A message has come to its end, by whichever transport. */
  ended(sendId: SendId): void {
    this.#asked.forget(sendId);
  }

  /** What failed may succeed now. */
  tryAgain(): void {
    this.#pauses.abort();
    this.#pauses = new AbortController();
    this.#reads.tryAgain();
    this.#deliveries.tryAgain();
  }

  /** The signal of the outbox has fired. */
  async stop(): Promise<void> {
    await this.#reads.stop();
    await this.#deliveries.stop();
  }

  async #relayed(stored: Stored, { sealed, carried }: HandedOver): Promise<CarriageOutcome> {
    const { id, record } = stored;
    const end = { state: 'relayed', messageId: sealed.messageId, ...carried } as const;
    const delivery = record.deliveryReceipt ? this.#deliveryOf(sealed, carried) : undefined;
    const isSaved = await this.#record(stored, end, delivery);
    await this.#reads.carried({ ...stored, record: { ...record, progress: end } }).catch(this.#work.setback);
    if (delivery !== undefined) this.#deliveries.carried(id, delivery);
    return isSaved ? 'ended' : 'changed';
  }

  #deliveryOf({ envelope }: Sealed, { status }: Carried): DeliveryState {
    if (status === 'delivered') return { state: 'delivered', at: BigInt(this.#work.now()) };
    if (this.#work.carrier?.awaitDelivered === undefined) return { state: 'untold', at: BigInt(this.#work.now()) };
    return { state: 'awaited', at: decodeV1(envelope).header.sentAt };
  }

  /** The relay has it: until that is written down nothing else becomes of it, however often the store fails. */
  async #record(stored: Stored, end: Progress, delivery: DeliveryState | undefined): Promise<boolean> {
    const { signal, setback } = this.#work;
    for (let pauseMs = retryMs; ; pauseMs = Math.min(maxRetryMs, 2 * pauseMs)) {
      const pauses = this.#pauses.signal;
      try {
        const change = new Change();
        if (delivery !== undefined) change.delivery(stored.id, delivery);
        return await this.finish(stored, end, change);
      } catch (error) {
        if (signal.aborted) throw error;
        setback(error);
        const ended = new LinkedAbort(signal, pauses);
        await pause(pauseMs, ended.signal);
        ended.unlink();
      }
    }
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
}
