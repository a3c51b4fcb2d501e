import { fromHex, toHex, type Hex } from '../codec/index.ts';
import { lastNumber, rangeOf, storeKey } from '../store/keys.ts';
import {
  decodeFlight,
  decodeRefused,
  encodeFlight,
  encodeRefused,
  encodeSigned,
  type Flight,
  type RefusedFlight,
  type SignedMessage,
} from './flight.ts';
import { Change, type Stored } from './outbox-change.ts';
import { accountsPrefix, flightsKey, prefixes, refusedKey, routePrefix } from './outbox-keys.ts';
import type { OutboxStore } from './outbox-store.ts';
import type { SendId } from './send-id.ts';

/** What the outbox's store holds for the way on chain alone. */
export class ChainStore {
  readonly #store: OutboxStore;

  constructor(store: OutboxStore) {
    this.#store = store;
  }

  /** For an extrinsic, as the worker: oldest first. */
  async waitingAsWorker(limit: number): Promise<Stored[]> {
    return this.#store.storedAt(await this.#store.disk.entries({ ...rangeOf(routePrefix('worker')), limit }));
  }

  /** For an extrinsic, as this account: oldest first. */
  async waitingAs(account: Hex, limit: number): Promise<Stored[]> {
    const { disk } = this.#store;
    const own = await disk.entries({ ...rangeOf(accountsPrefix, fromHex(account)), limit });
    const places = [...(await disk.entries({ ...rangeOf(routePrefix('account')), limit })), ...own];
    places.sort(([a], [b]) => (lastNumber(a) < lastNumber(b) ? -1 : 1));
    return this.#store.storedAt(places.slice(0, limit));
  }

  /** Accounts for which messages wait, but for this one. */
  async otherAccounts(account: Hex): Promise<Hex[]> {
    const others: Hex[] = [];
    const all = rangeOf(accountsPrefix);
    for (let { from } = all; ;) {
      const [next] = await this.#store.disk.entries({ from, to: all.to, limit: 1 });
      if (next === undefined) return others;
      const id = next[0].slice(-40, -8);
      if (toHex(id) !== account) others.push(toHex(id));
      from = rangeOf(accountsPrefix, id).to;
    }
  }

  /** Extrinsics under way. */
  async flights(): Promise<Flight[]> {
    const { disk } = this.#store;
    const entries = await disk.entries(rangeOf(prefixes.flight));
    return Promise.all(
      entries.map(async ([key, record]) => {
        const id = lastNumber(key);
        return decodeFlight(id, record, (await disk.get(storeKey(prefixes.extrinsic, id))) ?? new Uint8Array());
      }),
    );
  }

  /** Those of which it is not known that they can't come in. */
  async refused(): Promise<RefusedFlight[]> {
    const entries = await this.#store.disk.entries(rangeOf(prefixes.refused));
    return entries.map(([, record]) => decodeRefused(record));
  }

  /** Earlier versions left it to the record as which account a message goes. Throws outbox-replaced. */
  async nameAccounts(): Promise<void> {
    const unnamed = await this.#store.storedAt(await this.#store.disk.entries(rangeOf(routePrefix('account'))));
    const change = new Change();
    for (const stored of unnamed)
      if (stored.record.account !== undefined) change.unqueue(stored, 'account').queue(stored, 'account');
    if (change.writes.length > 0) await this.#store.commit(change);
  }
}

/** What one transaction changes, on the way on chain. */
export class ChainChange extends Change {
  sign(id: SendId, signed: SignedMessage): this {
    return this.write({ key: storeKey(prefixes.signed, id), value: encodeSigned(signed) });
  }

  addFlight(flight: Flight): this {
    return this.write({ key: storeKey(prefixes.flight, flight.id), value: encodeFlight(flight) })
      .write({ key: storeKey(prefixes.extrinsic, flight.id), value: flight.extrinsic.bytes })
      .write({ key: flightsKey, value: crypto.getRandomValues(new Uint8Array(16)) });
  }

  removeFlight({ id }: Pick<Flight, 'id'>): this {
    return this.write({ key: storeKey(prefixes.flight, id), value: undefined }).write({
      key: storeKey(prefixes.extrinsic, id),
      value: undefined,
    });
  }

  /** It is not followed any more, and may come in. */
  refuse(refused: RefusedFlight): this {
    return this.write({ key: refusedKey(refused.extrinsic.hash), value: encodeRefused(refused) });
  }

  /** What became of it is known. */
  resolve(extrinsic: Hex): this {
    return this.write({ key: refusedKey(extrinsic), value: undefined });
  }
}
