import { asRelayError, type RelayError } from '../errors/index.ts';
import { tell } from '../signals/index.ts';
import type { TransactionalStore } from '../store/transactional-store.ts';
import { DeliveryWatch } from './delivery-watch.ts';
import type { OffChainCarrier } from './off-chain-carrier.ts';
import { OutboxStore } from './outbox-store.ts';

export interface WatchDeliveriesOptions {
  readonly store: TransactionalStore;
  readonly carrier: OffChainCarrier;
  /** Unix time, ms. */
  readonly now?: () => number;
  /** Told of what is in the way: it is tried again. */
  readonly onSetback?: (error: RelayError) => void;
}

/** Waits until it is disposed. */
export interface DeliveriesWatcher extends AsyncDisposable {
  /** Takes in what is asked for by now. Throws what the store throws. */
  look(): Promise<void>;
}

/**
 * Waits for the word that messages of a queue were delivered, and writes it there: without a vault, and beside whoever works on
 * the queue.
 */
export function watchDeliveries({
  store,
  carrier,
  now = Date.now,
  onSetback,
}: WatchDeliveriesOptions): DeliveriesWatcher {
  const ended = new AbortController();
  const { signal } = ended;
  const setback = (error: unknown): void => {
    if (!signal.aborted) tell(() => onSetback?.(asRelayError(error, 'outbox-setback')));
  };
  // Who waits for it is elsewhere, and looks.
  const known = (): void => undefined;
  const watch = new DeliveryWatch({ store: new OutboxStore(store), now, signal, setback, known }, carrier);
  return {
    look: () => watch.look(),
    async [Symbol.asyncDispose]() {
      ended.abort();
      await watch.stop();
    },
  };
}
