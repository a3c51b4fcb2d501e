import { join } from 'node:path';
import { filter, firstValueFrom, ReplaySubject, Subject, type Observable, type Subscription } from 'rxjs';
import type { Chain } from '../../chain/index.ts';
import type { Hex } from '../../codec/index.ts';
import { createInbox, type Delivery, type Inbox } from '../../inbox/index.ts';
import { openLmdbStore, type TransactionalStore } from '../../store/index.ts';
import { createVault, type Vault } from '../../vault/index.ts';

/** One of the two who talk: a vault, a store and an inbox in a folder of its own. */
export interface Entity extends AsyncDisposable {
  readonly name: string;
  readonly folder: string;
  readonly vault: Vault;
  readonly store: TransactionalStore;
  /** After {@link startInbox}. */
  readonly inbox: Inbox;
  startInbox(onDelivery?: (delivery: Delivery) => Promise<void>): Promise<void>;
  /** What arrives after subscription. */
  readonly deliveries$: Observable<Delivery>;
  /** The delivery of that id, once it is there. */
  delivered(messageId: Hex): Promise<Delivery>;
}

export interface EntityOptions {
  readonly name: string;
  readonly folder: string;
  readonly passphrase: string;
  readonly chain: Chain;
  readonly isRegistered: (id: Hex) => boolean;
}

/** Makes the entity with new random keys. */
export async function createEntity({ name, folder, passphrase, chain, isRegistered }: EntityOptions): Promise<Entity> {
  const vault = await createVault({ path: join(folder, `${name}.vault`), passphrase });
  const store = await openLmdbStore({ path: join(folder, `${name}.vault.data`, 'entity') });
  const inbox = createInbox({ chain, vault, store, isRegistered });
  const deliveries = new ReplaySubject<Delivery>();
  const live = new Subject<Delivery>();
  let subscription: Subscription | undefined;
  const next = (matches: (delivery: Delivery) => boolean): Promise<Delivery> =>
    firstValueFrom(deliveries.pipe(filter(matches)));
  return {
    name,
    folder,
    vault,
    store,
    inbox,
    deliveries$: live.asObservable(),
    async startInbox(onDelivery = async () => undefined) {
      await inbox.start();
      await inbox.ready;
      subscription = inbox.events$.subscribe({
        next: (event) => {
          if (event.type !== 'message') return;
          deliveries.next(event.delivery);
          live.next(event.delivery);
          void onDelivery(event.delivery)
            .then(() => event.delivery.ack())
            .catch((error: unknown) => {
              deliveries.error(error);
            });
        },
        error: (error: unknown) => {
          deliveries.error(error);
        },
      });
    },
    delivered: (id) => next(({ messageId }) => messageId === id),
    async [Symbol.asyncDispose]() {
      subscription?.unsubscribe();
      await inbox.stop();
      await store.close();
      await vault.close();
    },
  };
}
