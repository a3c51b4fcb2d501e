import type { Hex } from '../codec/index.ts';
import { isRelayError } from '../errors/index.ts';
import { deliveryAwaitedUntil, encodeDelivery, type DeliveryState } from './delivery-state.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import { Change } from './outbox-change.ts';
import { deliveryKey } from './outbox-keys.ts';
import type { SendId } from './send-id.ts';
import { WaitsInTurn } from './waits-in-turn.ts';
import type { Work } from './work.ts';

/** Messages that are waited for at a time. */
const mostAtOnce = 256;

/** No relay will ever tell. */
const untold: ReadonlySet<string> = new Set(['delivery-untold', 'unknown-message']);

/** What was told of a message. */
interface Heard {
  readonly messageId: Hex;
  readonly outcome: DeliveryState;
}

export type DeliveryWork = Pick<Work, 'store' | 'now' | 'signal' | 'setback' | 'known'>;

/** Waits for the word of relays that recipients have taken messages. */
export class DeliveryWatch {
  readonly #work: DeliveryWork;
  readonly #carrier: OffChainCarrier | undefined;
  readonly #waits: WaitsInTurn<SendId, { until: number; wait(signal: AbortSignal): Promise<void> }>;

  constructor(work: DeliveryWork, carrier: OffChainCarrier | undefined) {
    this.#work = work;
    this.#carrier = carrier;
    this.#waits = new WaitsInTurn(work, mostAtOnce);
  }

  /** Takes up what other processes asked for. */
  async look(): Promise<void> {
    for (const [id, delivery] of await this.#work.store.deliveries())
      if (!this.#waits.has(id)) this.carried(id, delivery);
  }

  /** A relay has the message. */
  carried(id: SendId, delivery: DeliveryState): void {
    if (this.#carrier?.awaitDelivered === undefined || delivery.state !== 'awaited') return;
    const wait = this.#wait.bind(this, id);
    this.#waits.add(id, { until: deliveryAwaitedUntil(delivery), wait });
    this.#waits.look();
  }

  forget(id: SendId): void {
    this.#waits.end(id);
  }

  /** What failed may succeed now. */
  tryAgain(): void {
    this.#waits.tryAgain();
  }

  /** The signal of the outbox has fired. */
  async stop(): Promise<void> {
    await this.#waits.stop();
  }

  /** Others may write of it meanwhile: what is heard counts for the message as it is then. */
  async #wait(id: SendId, signal: AbortSignal): Promise<void> {
    const { store, known } = this.#work;
    let heard: Heard | undefined;
    for (;;) {
      const [stored, present] = [await store.get(id), await store.delivery(id)];
      if (stored?.record.progress.state !== 'relayed' || present === undefined) break;
      const { to, progress } = stored.record;
      if (heard?.messageId !== progress.messageId) {
        if (present.state !== 'awaited') break;
        const outcome = await this.#ask({ ...progress, to, sentAt: present.at }, signal);
        heard = { messageId: progress.messageId, outcome };
        continue;
      }
      if (!tellsMore(heard.outcome, present)) break;
      const expectation = { key: deliveryKey(id), value: encodeDelivery(present) };
      // Whoever works on the queue by now: it is so.
      if (await store.commitBeside(new Change().delivery(id, heard.outcome).expect(expectation), [stored])) break;
    }
    // Also where another process wrote it first.
    known(id);
    this.#waits.end(id);
  }

  async #ask(
    message: Parameters<NonNullable<OffChainCarrier['awaitDelivered']>>[0],
    signal: AbortSignal,
  ): Promise<DeliveryState> {
    let state: DeliveryState['state'] = 'delivered';
    try {
      await this.#carrier?.awaitDelivered?.(message, signal);
    } catch (error) {
      if (!isRelayError(error) || !untold.has(error.code)) throw error;
      this.#work.setback(error);
      state = 'untold';
    }
    return { state, at: BigInt(this.#work.now()) };
  }
}

/** One relay may tell of a message of which another never will. */
function tellsMore(outcome: DeliveryState, present: DeliveryState): boolean {
  return present.state === 'awaited' || (present.state === 'untold' && outcome.state === 'delivered');
}
