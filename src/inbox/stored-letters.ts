import { Reader, toBytes, toHex, Writer, type Hex } from '../codec/index.ts';
import { isOfUnreadVault } from '../errors/index.ts';
import { lastNumber, numberedKey, rangeOf, storeKey, type TransactionalStore, type Write } from '../store/index.ts';
import { decodeDeadLetter, encodeDeadLetter, type DeadLetter } from './dead-letter.ts';
import type { Sequence } from './stream-item.ts';

const deadPrefix = storeKey('inbox/dead/');
const relayedPrefix = storeKey('inbox/dead-relayed/');
const unreadPrefix = storeKey('inbox/dead-unread/');
const nothing = new Uint8Array(0);

/** What is known of a dead letter that came through a relay, without the letter. */
export interface RelayedLetterMark {
  readonly messageId: Hex;
  /** Whether its sender was a registered worker. */
  readonly isRegistered: boolean;
  readonly bytes: number;
}
export type SequencedLetter = readonly [sequence: Sequence, letter: DeadLetter];

/** Keys and values of dead letters in the store of an inbox. */
export class StoredLetters {
  readonly #store: TransactionalStore;

  constructor(store: TransactionalStore) {
    this.#store = store;
  }

  writes(sequence: Sequence, letter: DeadLetter): Write[] {
    const isUnread = isOfUnreadVault(letter.code);
    return [
      { key: numberedKey(deadPrefix, sequence), value: encodeDeadLetter(letter) },
      { key: numberedKey(unreadPrefix, sequence), value: isUnread ? nothing : undefined },
    ];
  }

  removeWrites(sequence: Sequence): Write[] {
    const prefixes = [deadPrefix, relayedPrefix, unreadPrefix];
    return prefixes.map((prefix) => ({ key: numberedKey(prefix, sequence), value: undefined }));
  }

  /** Of those that wait for the vault's file to be read, oldest first, from one on. Default all. */
  async unread(from: Sequence = 0n, limit?: number): Promise<Sequence[]> {
    const range = { from: numberedKey(unreadPrefix, from), to: rangeOf(unreadPrefix).to };
    const entries = await this.#store.entries({ ...range, ...(limit === undefined ? {} : { limit }) });
    return entries.map(([key]) => lastNumber(key));
  }

  relayedWrite(sequence: Sequence, { messageId, isRegistered, bytes }: RelayedLetterMark): Write {
    const value = new Writer(37)
      .raw(toBytes(messageId, 'messageId', 32))
      .u8(isRegistered ? 1 : 0)
      .u32(bytes)
      .finish();
    return { key: numberedKey(relayedPrefix, sequence), value };
  }

  /** Of all dead letters that came through a relay, oldest first. */
  async relayed(): Promise<(readonly [Sequence, RelayedLetterMark])[]> {
    const entries = await this.#store.entries(rangeOf(relayedPrefix));
    return entries.map(([key, value]) => {
      const reader = new Reader(value, 'The mark of a dead letter');
      const [messageId, isRegistered] = [toHex(reader.fixed(32)), reader.u8() === 1];
      return [lastNumber(key), { messageId, isRegistered, bytes: reader.u32() }];
    });
  }

  async get(sequence: Sequence): Promise<DeadLetter | undefined> {
    const value = await this.#store.get(numberedKey(deadPrefix, sequence));
    return value === undefined ? undefined : decodeDeadLetter(value);
  }

  /** Oldest first, and one in memory at a time: each may be as large as a block takes. */
  async *all(): AsyncGenerator<SequencedLetter> {
    for (let from = 0n; ;) {
      const range = { from: numberedKey(deadPrefix, from), to: rangeOf(deadPrefix).to };
      const [entry] = await this.#store.entries({ ...range, limit: 1 });
      if (entry === undefined) return;
      const sequence = lastNumber(entry[0]);
      yield [sequence, decodeDeadLetter(entry[1])];
      from = sequence + 1n;
    }
  }

  /** Of the oldest dead letters. */
  async sequences(limit: number): Promise<Sequence[]> {
    const found: Sequence[] = [];
    for await (const [sequence] of this.all()) if (found.push(sequence) === limit) break;
    return found;
  }
}
