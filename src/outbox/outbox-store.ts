import { equalBytes, toHex, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { lastNumber, rangeOf, storeKey } from '../store/keys.ts';
import type { Entry, Expectation, TransactionalStore, Write } from '../store/transactional-store.ts';
import { appendGroupOf, type NewMessage } from './append-group.ts';
import { decodeAsked, decodeReadReceipt, type AskedRead } from './asked-read.ts';
import { decodeDelivery, type DeliveryState } from './delivery-state.ts';
import { decodeFlight, decodeSigned, type SignedMessage } from './flight.ts';
import { mayGoOnChain, type Route } from './route.ts';
import { decodeRecord } from './message-record.ts';
import { decodePlace, type OffChainEntry } from './off-chain-entry.ts';
import type { ReadReceipt } from './outbox.ts';
import { Change, type Stored } from './outbox-change.ts';
import { askedKey, deliveryKey, flightsKey, ownerKey, prefixes, routePrefix } from './outbox-keys.ts';
import type { SendId } from './send-id.ts';

/**
 * Keys and values of the outbox in its store. One outbox at a time works on the queue: the one that was started last. What
 * any other writes from then on is refused, so no two post the same message.
 */
export class OutboxStore {
  /** To read what only one transport knows of. */
  readonly disk: Pick<TransactionalStore, 'get' | 'entries'>;
  readonly #store: TransactionalStore;
  #owner: Expectation | undefined;

  constructor(store: TransactionalStore) {
    this.disk = store;
    this.#store = store;
  }

  /** Makes this the outbox that works on the queue. */
  async takeOver(): Promise<void> {
    const value = crypto.getRandomValues(new Uint8Array(16));
    await this.#store.commit([{ key: ownerKey, value }]);
    this.#owner = { key: ownerKey, value };
  }

  /** Throws outbox-replaced. */
  async checkOwner(): Promise<void> {
    const owner = this.#owner;
    if (owner !== undefined && !isSame(await this.#store.get(ownerKey), owner.value))
      throw new RelayError('outbox-replaced');
  }

  /** Appends a message as it is; safe against other processes that append. */
  async append(message: NewMessage): Promise<SendId> {
    const newcomer = { bytes: message.body.length, make: () => Promise.resolve(message) };
    return (await appendGroupOf(this.#store).add(newcomer)).sendId;
  }

  async get(id: SendId): Promise<Stored | undefined> {
    const bytes = await this.#store.get(storeKey(prefixes.message, id));
    return bytes === undefined ? undefined : { id, record: decodeRecord(bytes), bytes };
  }

  /** Ascending. */
  async list(from: SendId, limit: number): Promise<Stored[]> {
    const range = { from: storeKey(prefixes.message, from), to: rangeOf(prefixes.message).to, limit };
    const entries = await this.#store.entries(range);
    return entries.map(([key, bytes]) => ({ id: lastNumber(key), record: decodeRecord(bytes), bytes }));
  }

  /** What is still there of those whose numbers end these keys. */
  storedAt(places: readonly Entry[]): Promise<Stored[]> {
    return defined(places.map(([key]) => this.get(lastNumber(key))));
  }

  body(id: SendId): Promise<Uint8Array | undefined> {
    return this.#store.get(storeKey(prefixes.body, id));
  }

  /** Off chain: oldest first, from `from` on, with the last id that was looked at; undefined: there is none. */
  offChain(limit: number, from: SendId): Promise<{ entries: OffChainEntry[]; last: SendId | undefined }> {
    return this.#entriesIn('relay', limit, from);
  }

  /** As {@link offChain}, of what waits for an extrinsic as the worker and may go off chain too. */
  fallenBack(limit: number, from: SendId): Promise<{ entries: OffChainEntry[]; last: SendId | undefined }> {
    return this.#entriesIn('worker', limit, from);
  }

  /** What may go off chain and waits again after it had failed, with those whose place is there, until it is {@link heard} of: any process may queue it. */
  async requeued(limit: number): Promise<Requeued> {
    const marks = await this.#store.entries({ ...rangeOf(prefixes.requeued), limit });
    const entries = marks.map(async ([key]) => {
      const id = lastNumber(key);
      const place = await this.#store.get(storeKey(routePrefix('relay'), id));
      return place && this.#offChainEntry(id, place);
    });
    return { marks: marks.map(([key, value]) => ({ key, value })), entries: await defined(entries) };
  }

  /** Which of them was queued once more meanwhile, `requeued` tells again. Throws outbox-replaced. */
  async heard({ marks }: Requeued): Promise<void> {
    const forget = ({ key }: Expectation): Write => ({ key, value: undefined });
    for (const mark of marks) await this.#commitOwned([forget(mark)], [mark]);
  }

  /** That a message waits for an extrinsic as the worker; undefined: it does not. */
  async waitsAsWorker(id: SendId): Promise<Expectation | undefined> {
    const key = storeKey(routePrefix('worker'), id);
    const value = await this.#store.get(key);
    return value && { key, value };
  }

  /** Members of extrinsics under way, and what to expect of the store where none is begun since. */
  async inFlight(): Promise<{ readonly members: ReadonlySet<SendId>; readonly expectation: Expectation }> {
    const expectation = { key: flightsKey, value: await this.#store.get(flightsKey) };
    const entries = await this.#store.entries(rangeOf(prefixes.flight));
    const flights = entries.map(([key, record]) => decodeFlight(lastNumber(key), record, new Uint8Array()));
    return { members: new Set(flights.flatMap(({ members }) => members)), expectation };
  }

  /** That a message is signed; undefined: it is not. */
  async isSigned(id: SendId): Promise<Expectation | undefined> {
    const key = storeKey(prefixes.signed, id);
    const value = await this.#store.get(key);
    return value && { key, value };
  }

  async signed(id: SendId): Promise<SignedMessage | undefined> {
    const bytes = await this.#store.get(storeKey(prefixes.signed, id));
    return bytes === undefined ? undefined : decodeSigned(bytes);
  }

  /** All that were signed and are not final yet. */
  async allSigned(): Promise<(readonly [SendId, SignedMessage])[]> {
    const entries = await this.#store.entries(rangeOf(prefixes.signed));
    return entries.map(([key, bytes]) => [lastNumber(key), decodeSigned(bytes)] as const);
  }

  async asked(messageId: Hex): Promise<AskedRead | undefined> {
    const bytes = await this.#store.get(askedKey(messageId));
    return bytes === undefined ? undefined : decodeAsked(messageId, bytes);
  }

  /** All that may still be answered. */
  async allAsked(): Promise<AskedRead[]> {
    const entries = await this.#store.entries(rangeOf(prefixes.asked));
    return entries.map(([key, bytes]) => decodeAsked(toHex(key.slice(-32)), bytes));
  }

  /** Forgets messages, and by which ids they could be answered. */
  async forget(ids: readonly SendId[]): Promise<void> {
    const change = new Change();
    for (const id of ids) change.forget(id);
    const gone = new Set(ids);
    for (const { sendId, messageId } of await this.allAsked()) if (gone.has(sendId)) change.unask(messageId);
    await this.commit(change);
  }

  async read(id: SendId): Promise<ReadReceipt | undefined> {
    const bytes = await this.#store.get(storeKey(prefixes.read, id));
    return bytes === undefined ? undefined : decodeReadReceipt(bytes);
  }

  /** undefined: it was not asked about, or did not go off chain. */
  async delivery(id: SendId): Promise<DeliveryState | undefined> {
    const bytes = await this.#store.get(deliveryKey(id));
    return bytes === undefined ? undefined : decodeDelivery(bytes);
  }

  /** Of all that were asked about and went off chain. */
  async deliveries(): Promise<(readonly [SendId, DeliveryState])[]> {
    const entries = await this.#store.entries(rangeOf(prefixes.delivery));
    return entries.map(([key, bytes]) => [lastNumber(key), decodeDelivery(bytes)] as const);
  }

  /** Ids of messages whose end is known, oldest first. */
  async done(limit: number): Promise<SendId[]> {
    const range = rangeOf(prefixes.done);
    const entries = await this.#store.entries(Number.isFinite(limit) ? { ...range, limit } : range);
    return entries.map(([key]) => lastNumber(key));
  }

  /**
   * Writes what the running outbox decided. Throws outbox-replaced where another has taken over; false where a record in
   * `from` is not what it was, and nothing was written.
   */
  async commit(change: Change, from: readonly Stored[] = []): Promise<boolean> {
    return this.#commitOwned(change.writes, [...asTheyWere(from), ...change.expected]);
  }

  /** As {@link commit}, of what any process may write, whoever works on the queue. */
  commitBeside(change: Change, from: readonly Stored[]): Promise<boolean> {
    return this.#store.commit(change.writes, [...asTheyWere(from), ...change.expected]);
  }

  async #commitOwned(writes: readonly Write[], expected: readonly Expectation[]): Promise<boolean> {
    const owner = this.#owner;
    if (await this.#store.commit(writes, owner === undefined ? expected : [...expected, owner])) return true;
    await this.checkOwner();
    return false;
  }

  #places(route: Route, limit: number, from: SendId = 0n): Promise<Entry[]> {
    const prefix = routePrefix(route);
    return this.#store.entries({ from: storeKey(prefix, from), to: rangeOf(prefix).to, limit });
  }

  async #entriesIn(route: 'relay' | 'worker', limit: number, from: SendId) {
    const places = await this.#places(route, limit, from);
    const last = places.at(-1);
    const entries = await defined(places.map(([key, place]) => this.#offChainEntry(lastNumber(key), place)));
    return { entries, last: last && lastNumber(last[0]) };
  }

  async #offChainEntry(id: SendId, place: Uint8Array): Promise<OffChainEntry | undefined> {
    const entry = decodePlace(id, place);
    if (entry === 'only-on-chain') return undefined;
    if (entry !== 'unknown') return entry;
    const record = (await this.get(id))?.record;
    if (record === undefined || record.via === 'chain') return undefined;
    return { id, to: record.to, mayGoOnChain: mayGoOnChain(record) };
  }
}

/** Marks of messages that were queued again, as they were read. */
export interface Requeued {
  readonly marks: readonly Expectation[];
  readonly entries: readonly OffChainEntry[];
}

async function defined<T>(found: readonly Promise<T | undefined>[]): Promise<T[]> {
  return (await Promise.all(found)).filter((each) => each !== undefined);
}

function asTheyWere(from: readonly Stored[]): Expectation[] {
  return from.map(({ id, bytes }) => ({ key: storeKey(prefixes.message, id), value: bytes }));
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
