import { Reader, Writer } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import { rangeOf, storeKey, type Expectation, type TransactionalStore, type Write } from '../store/index.ts';
import { channelBytes, type ChannelId } from './channel-id.ts';

const msPerDay = 86_400_000;
const nonceBitsBelowMs = 20n;
const prunedPerMessage = 16;

export interface ReplayWindowOptions {
  /** How long seen nonces are kept, ms. Default 30 days. */
  readonly retentionMs?: number;
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
}

/** What marks a nonce as seen: commit it together with the delivery. */
export interface Admission {
  readonly writes: readonly Write[];
  /** Fails where the nonce was admitted meanwhile. */
  readonly expectations: readonly Expectation[];
}

/** The seen nonces of every channel, above a floor that follows the retention (protocol.md §9). */
export class ReplayWindow {
  readonly #store: TransactionalStore;
  readonly #retention: bigint;
  readonly #now: () => number;

  constructor(store: TransactionalStore, { retentionMs = 30 * msPerDay, now = Date.now }: ReplayWindowOptions = {}) {
    this.#store = store;
    this.#retention = BigInt(retentionMs) << nonceBitsBelowMs;
    this.#now = now;
  }

  /**
   * Marks a nonce as seen, with a `tag` to find it by. undefined: it was seen. The floor of via chain follows the
   * channel's highest nonce, that of via relay the clock. Throws replay-too-old below the floor.
   */
  async admit(
    channel: ChannelId,
    nonce: bigint,
    via: 'chain' | 'relay',
    tag: Uint8Array,
  ): Promise<Admission | undefined> {
    const name = channelBytes(channel);
    const key = storeKey('seen/', name, nonce);
    if ((await this.#store.get(key)) !== undefined) return undefined;
    const highest = await this.#highest(name);
    const floor = via === 'chain' ? (highest ?? 0n) - this.#retention : this.#floorByClock();
    if (nonce < floor) throw new RelayError('replay-too-old');
    const writes: Write[] = [{ key, value: tag }, ...(await this.#prune(name, highest))];
    if (via === 'chain' && nonce > (highest ?? -1n))
      writes.push({ key: storeKey('highest/', name), value: new Writer().u64(nonce).finish() });
    return { writes, expectations: [{ key, value: undefined }] };
  }

  /** The tag of a seen nonce. */
  find(channel: ChannelId, nonce: bigint): Promise<Uint8Array | undefined> {
    return this.#store.get(storeKey('seen/', channelBytes(channel), nonce));
  }

  /** Frees a nonce that a reorg took back. */
  release(channel: ChannelId, nonce: bigint): Write {
    return { key: storeKey('seen/', channelBytes(channel), nonce), value: undefined };
  }

  async #highest(name: Uint8Array): Promise<bigint | undefined> {
    const value = await this.#store.get(storeKey('highest/', name));
    return value === undefined ? undefined : new Reader(value, 'The highest nonce').u64();
  }

  // Forgets only what neither path would admit again.
  async #prune(name: Uint8Array, highest: bigint | undefined): Promise<Write[]> {
    const byClock = this.#floorByClock();
    const byChain = (highest ?? 0n) - this.#retention;
    const floor = byChain < byClock ? byChain : byClock;
    if (floor <= 0n) return [];
    const { from } = rangeOf('seen/', name);
    const range = { from, to: storeKey('seen/', name, floor), limit: prunedPerMessage };
    return (await this.#store.entries(range)).map(([key]) => ({ key, value: undefined }));
  }

  #floorByClock(): bigint {
    return (BigInt(this.#now()) << nonceBitsBelowMs) - this.#retention;
  }
}
