import { equalBytes, fromHex, Reader, toHex, Writer, type Hex } from '../codec/index.ts';
import { decodeV1 } from '../crypto/core.ts';
import { RelayError } from '../errors/index.ts';
import { lastNumber, rangeOf, storeKey } from '../store/keys.ts';
import type { Entry, Expectation, TransactionalStore, Write } from '../store/transactional-store.ts';
import {
  decodeFlight,
  decodeRefused,
  decodeSigned,
  encodeFlight,
  encodeRefused,
  encodeSigned,
  type Flight,
  type RefusedFlight,
  type SignedMessage,
} from './flight.ts';
import type { ReadReceipt } from './outbox.ts';
import type { SendId } from './send-id.ts';
import { decodeRecord, encodeRecord, type MessageRecord, type Progress } from './message-record.ts';

/** Where a message waits: off chain, or for an extrinsic as one of the two kinds of sender. */
export type Lane = 'relay' | ChainLane;
export type ChainLane = 'worker' | 'account';

interface ConditionalWrite {
  readonly write: Write;
  readonly expectation: Expectation;
}

/** A message that waits off chain, as its place in the queue tells it. */
export interface OffChainEntry {
  readonly id: SendId;
  readonly to: Hex;
  readonly mayGoOnChain: boolean;
}

export interface NewMessage {
  readonly record: MessageRecord;
  /** As the vault keeps it, or a command as it was sealed. */
  readonly body: Uint8Array;
  readonly lane: Lane;
}

/** A message under an id by which its recipient may answer it. */
export interface AskedRead {
  readonly sendId: SendId;
  readonly messageId: Hex;
  /** Where the answer goes to, 32 bytes. */
  readonly senderKey: Uint8Array;
  /** When it was sealed to go, Unix ms. undefined where an earlier version asked. */
  readonly askedAt: number | undefined;
}

/** A record as it stands in the store: whoever changes it says from what. */
export interface Stored {
  readonly id: SendId;
  readonly record: MessageRecord;
  readonly bytes: Uint8Array;
}

const usedPrefix = 'outbox/used/';
const messagePrefix = 'outbox/message/';
const bodyPrefix = 'outbox/body/';
const signedPrefix = 'outbox/signed/';
const flightPrefix = 'outbox/flight/';
const extrinsicPrefix = 'outbox/extrinsic/';
const refusedPrefix = 'outbox/refused/';
const requeuedPrefix = 'outbox/requeued/';
const donePrefix = 'outbox/done/';
const askedPrefix = 'outbox/asked/';
const readPrefix = 'outbox/read/';
const ownerKey = storeKey('outbox/owner');
const present = new Uint8Array(1);
// Of a place off chain, before its recipient.
const offChainKinds = { mayGoOnChain: 1, onlyOffChain: 2 };
/** The word that a message was read is waited for as long after it was sealed to go. */
const readPatienceMs = 7 * 86_400_000;

/**
 * Keys and values of the outbox in its store. One outbox at a time works on the queue: the one that was started last. What
 * any other writes from then on is refused, so no two post the same message.
 */
export class OutboxStore {
  readonly #store: TransactionalStore;
  #owner: Expectation | undefined;

  constructor(store: TransactionalStore) {
    this.#store = store;
  }

  /** Makes this the outbox that works on the queue. */
  async takeOver(): Promise<void> {
    const value = crypto.getRandomValues(new Uint8Array(16));
    await this.#store.commit([{ key: ownerKey, value }]);
    this.#owner = { key: ownerKey, value };
  }

  /**
   * Appends a message, and with it another write; safe against other processes that append. undefined: the expectation of
   * that write does not hold, and nothing was written.
   */
  append(message: NewMessage): Promise<SendId>;
  append(message: NewMessage, also: ConditionalWrite | undefined): Promise<SendId | undefined>;
  async append(message: NewMessage, also?: ConditionalWrite): Promise<SendId | undefined> {
    for (;;) {
      const [last] = await this.#store.entries({ ...rangeOf(usedPrefix), reverse: true, limit: 1 });
      const id = last === undefined ? 0n : lastNumber(last[0]) + 1n;
      const used = storeKey(usedPrefix, id);
      const writes: Write[] = [
        { key: used, value: present },
        messageWrite(id, message.record),
        { key: storeKey(bodyPrefix, id), value: message.body },
        laneWrite(message.lane, { id, record: message.record }),
      ];
      if (last !== undefined) writes.push({ key: last[0], value: undefined });
      const expected: Expectation[] = [{ key: used, value: undefined }];
      if (also !== undefined) {
        writes.push(also.write);
        expected.push(also.expectation);
      }
      if (await this.#store.commit(writes, expected)) return id;
      if (also === undefined) continue;
      const now = await this.#store.get(also.expectation.key);
      if (!isSame(now, also.expectation.value)) return undefined;
    }
  }

  async get(id: SendId): Promise<Stored | undefined> {
    const bytes = await this.#store.get(storeKey(messagePrefix, id));
    return bytes === undefined ? undefined : { id, record: decodeRecord(bytes), bytes };
  }

  /** Ascending. */
  async list(from: SendId, limit: number): Promise<Stored[]> {
    const range = { from: storeKey(messagePrefix, from), to: rangeOf(messagePrefix).to, limit };
    const entries = await this.#store.entries(range);
    return entries.map(([key, bytes]) => ({ id: lastNumber(key), record: decodeRecord(bytes), bytes }));
  }

  body(id: SendId): Promise<Uint8Array | undefined> {
    return this.#store.get(storeKey(bodyPrefix, id));
  }

  /** On chain: oldest first, from `from` on. */
  async waiting(lane: ChainLane, limit: number, from: SendId = 0n): Promise<Stored[]> {
    const found = await Promise.all((await this.#places(lane, limit, from)).map(([key]) => this.get(lastNumber(key))));
    return found.filter((stored) => stored !== undefined);
  }

  /** Off chain: oldest first, from `from` on, with the last id that was looked at; undefined: there is none. */
  async offChain(limit: number, from: SendId): Promise<{ entries: OffChainEntry[]; last: SendId | undefined }> {
    const places = await this.#places('relay', limit, from);
    const last = places.at(-1);
    const entries = await defined(places.map(([key, place]) => this.#offChainEntry(lastNumber(key), place)));
    return { entries, last: last && lastNumber(last[0]) };
  }

  /** What waits off chain again after it had failed, until it is {@link heard} of: any process may queue it. */
  async requeued(limit: number): Promise<Requeued> {
    const marks = await this.#store.entries({ ...rangeOf(requeuedPrefix), limit });
    const entries = marks.map(async ([key]) => {
      const id = lastNumber(key);
      const place = await this.#store.get(storeKey(lanePrefix('relay'), id));
      return place && this.#offChainEntry(id, place);
    });
    return { marks: marks.map(([key, value]) => ({ key, value })), entries: await defined(entries) };
  }

  /** Which of them was queued once more meanwhile, `requeued` tells again. Throws outbox-replaced. */
  async heard({ marks }: Requeued): Promise<void> {
    const forget = ({ key }: Expectation): Write => ({ key, value: undefined });
    for (const mark of marks) await this.#commitOwned([forget(mark)], [mark]);
  }

  async flights(): Promise<Flight[]> {
    const entries = await this.#store.entries(rangeOf(flightPrefix));
    return Promise.all(
      entries.map(async ([key, record]) => {
        const id = lastNumber(key);
        return decodeFlight(id, record, (await this.#store.get(storeKey(extrinsicPrefix, id))) ?? new Uint8Array());
      }),
    );
  }

  /** Those of which it is not known that they can't come in. */
  async refused(): Promise<RefusedFlight[]> {
    const entries = await this.#store.entries(rangeOf(refusedPrefix));
    return entries.map(([, record]) => decodeRefused(record));
  }

  async signed(id: SendId): Promise<SignedMessage | undefined> {
    const bytes = await this.#store.get(storeKey(signedPrefix, id));
    return bytes === undefined ? undefined : decodeSigned(bytes);
  }

  /** All that were signed and are not final yet. */
  async allSigned(): Promise<(readonly [SendId, SignedMessage])[]> {
    const entries = await this.#store.entries(rangeOf(signedPrefix));
    return entries.map(([key, bytes]) => [lastNumber(key), decodeSigned(bytes)] as const);
  }

  async asked(messageId: Hex): Promise<AskedRead | undefined> {
    const bytes = await this.#store.get(askedKey(messageId));
    return bytes === undefined ? undefined : decodeAsked(messageId, bytes);
  }

  /** All that may still be answered. */
  async allAsked(): Promise<AskedRead[]> {
    const entries = await this.#store.entries(rangeOf(askedPrefix));
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
    const bytes = await this.#store.get(storeKey(readPrefix, id));
    if (bytes === undefined) return undefined;
    const reader = new Reader(bytes, 'A read receipt');
    return { messageId: toHex(reader.fixed(32)), readAt: reader.u64() };
  }

  /** Ids of messages whose end is known, oldest first. */
  async done(limit: number): Promise<SendId[]> {
    const range = rangeOf(donePrefix);
    const entries = await this.#store.entries(Number.isFinite(limit) ? { ...range, limit } : range);
    return entries.map(([key]) => lastNumber(key));
  }

  /**
   * Writes what the running outbox decided. Throws outbox-replaced where another has taken over; false where a record in
   * `from` is not what it was, and nothing was written.
   */
  async commit(change: Change, from: readonly Stored[] = []): Promise<boolean> {
    return this.#commitOwned(change.writes, asTheyWere(from));
  }

  /** As {@link commit}, of what any process may write, whoever works on the queue. */
  commitBeside(change: Change, from: readonly Stored[]): Promise<boolean> {
    return this.#store.commit(change.writes, asTheyWere(from));
  }

  async #commitOwned(writes: readonly Write[], expected: readonly Expectation[]): Promise<boolean> {
    const owner = this.#owner;
    if (await this.#store.commit(writes, owner === undefined ? expected : [...expected, owner])) return true;
    if (owner !== undefined && !isSame(await this.#store.get(ownerKey), owner.value))
      throw new RelayError('outbox-replaced');
    return false;
  }

  #places(lane: Lane, limit: number, from: SendId): Promise<Entry[]> {
    const prefix = lanePrefix(lane);
    return this.#store.entries({ from: storeKey(prefix, from), to: rangeOf(prefix).to, limit });
  }

  async #offChainEntry(id: SendId, place: Uint8Array): Promise<OffChainEntry | undefined> {
    const [kind] = place;
    const mayGoOnChain = kind === offChainKinds.mayGoOnChain;
    if (mayGoOnChain || kind === offChainKinds.onlyOffChain) return { id, to: toHex(place.subarray(1)), mayGoOnChain };
    // Earlier versions left it to the record.
    const record = (await this.get(id))?.record;
    return record && { id, to: record.to, mayGoOnChain: mayGoOnChainOf(record) };
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
  return from.map(({ id, bytes }) => ({ key: storeKey(messagePrefix, id), value: bytes }));
}

/** What one transaction changes. */
export class Change {
  readonly writes: Write[] = [];

  progress({ id, record }: Pick<Stored, 'id' | 'record'>, progress: Progress): this {
    return this.#add(messageWrite(id, { ...record, progress }));
  }

  queue(id: SendId, lane: ChainLane): this {
    return this.#add(placeWrite(lane, id, present));
  }

  /** Of one that had failed: whoever works on the queue may have passed its place. */
  requeue({ id, record }: Pick<Stored, 'id' | 'record'>, lane: Lane): this {
    this.#add(laneWrite(lane, { id, record }));
    if (lane !== 'relay') return this;
    return this.#add({ key: storeKey(requeuedPrefix, id), value: crypto.getRandomValues(new Uint8Array(16)) });
  }

  unqueue(id: SendId, lane: Lane): this {
    return this.#add(placeWrite(lane, id, undefined));
  }

  sign(id: SendId, signed: SignedMessage): this {
    return this.#add({ key: storeKey(signedPrefix, id), value: encodeSigned(signed) });
  }

  unsign(id: SendId): this {
    return this.#add({ key: storeKey(signedPrefix, id), value: undefined });
  }

  /** Where its recipient's word is waited for: by which id it may be answered, and to which key. */
  ask(
    { id, record }: Pick<Stored, 'id' | 'record'>,
    sealed: { readonly messageId: Hex; readonly envelope: Uint8Array },
    now: number,
  ): this {
    if (!record.readReceipt) return this;
    const { senderKey } = decodeV1(sealed.envelope).header;
    const value = new Writer().u64(id).raw(senderKey).u64(BigInt(now)).finish();
    return this.#add({ key: askedKey(sealed.messageId), value });
  }

  unask(messageId: Hex): this {
    return this.#add({ key: askedKey(messageId), value: undefined });
  }

  read(id: SendId, { messageId, readAt }: ReadReceipt): this {
    const value = new Writer().raw(fromHex(messageId)).u64(readAt).finish();
    return this.#add({ key: storeKey(readPrefix, id), value });
  }

  fly(flight: Flight): this {
    return this.#add({ key: storeKey(flightPrefix, flight.id), value: encodeFlight(flight) }).#add({
      key: storeKey(extrinsicPrefix, flight.id),
      value: flight.extrinsic.bytes,
    });
  }

  land({ id }: Pick<Flight, 'id'>): this {
    return this.#add({ key: storeKey(flightPrefix, id), value: undefined }).#add({
      key: storeKey(extrinsicPrefix, id),
      value: undefined,
    });
  }

  /** A node did not take it, and may have passed it on. */
  refuse(refused: RefusedFlight): this {
    return this.#add({ key: refusedKey(refused.extrinsic.hash), value: encodeRefused(refused) });
  }

  /** What became of it is known. */
  resolve(extrinsic: Hex): this {
    return this.#add({ key: refusedKey(extrinsic), value: undefined });
  }

  dropBody(id: SendId): this {
    return this.#add({ key: storeKey(bodyPrefix, id), value: undefined });
  }

  /** Its end is known: kept for who asks, until there are too many. */
  done(id: SendId, isDone = true): this {
    return this.#add({ key: storeKey(donePrefix, id), value: isDone ? present : undefined });
  }

  forget(id: SendId): this {
    return this.#add({ key: storeKey(messagePrefix, id), value: undefined })
      .#add({ key: storeKey(readPrefix, id), value: undefined })
      .unsign(id)
      .dropBody(id)
      .done(id, false);
  }

  #add(write: Write): this {
    this.writes.push(write);
    return this;
  }
}

/** The lane in which a message begins. */
export function firstLane({ as, via }: Pick<MessageRecord, 'as' | 'via'>, hasCarrier: boolean): Lane {
  if (as === 'account' || via === 'chain') return as;
  return via === 'relay' || hasCarrier ? 'relay' : as;
}

function lanePrefix(lane: Lane): string {
  return `outbox/queued/${lane}/`;
}

function placeWrite(lane: Lane, id: SendId, value: Uint8Array | undefined): Write {
  return { key: storeKey(lanePrefix(lane), id), value };
}

function refusedKey(extrinsic: Hex): Uint8Array {
  return storeKey(refusedPrefix, fromHex(extrinsic));
}

function laneWrite(lane: Lane, { id, record }: Pick<Stored, 'id' | 'record'>): Write {
  return placeWrite(lane, id, lane === 'relay' ? offChainPlace(record) : present);
}

/** Its recipient is in it: whoever works on the queue need not read what waits behind others. */
function offChainPlace(record: MessageRecord): Uint8Array {
  const kind = mayGoOnChainOf(record) ? offChainKinds.mayGoOnChain : offChainKinds.onlyOffChain;
  return new Writer().u8(kind).raw(fromHex(record.to)).finish();
}

function mayGoOnChainOf({ via }: MessageRecord): boolean {
  return via !== 'relay';
}

function askedKey(messageId: Hex): Uint8Array {
  return storeKey(askedPrefix, fromHex(messageId));
}

function decodeAsked(messageId: Hex, bytes: Uint8Array): AskedRead {
  const reader = new Reader(bytes, 'A message that may be answered');
  const [sendId, senderKey] = [reader.u64(), reader.fixed(32)];
  const askedAt = reader.offset < bytes.length ? Number(reader.u64()) : undefined;
  return { messageId, sendId, senderKey, askedAt };
}

/** Until when the word that a message was read is waited for, Unix ms. */
export function waitedUntil({ askedAt }: AskedRead, { queuedAt }: MessageRecord): number {
  return (askedAt ?? queuedAt) + readPatienceMs;
}

function messageWrite(id: SendId, record: MessageRecord): Write {
  return { key: storeKey(messagePrefix, id), value: encodeRecord(record) };
}

function isSame(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
