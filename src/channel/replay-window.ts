import { Reader, Writer } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import {
  lastNumber,
  rangeOf,
  storeKey,
  type Expectation,
  type TransactionalStore,
  type Write,
} from '../store/index.ts';
import { channelBytes, type ChannelId } from './channel-id.ts';

const msPerDay = 86_400_000;
const nonceBitsBelowMs = 20n;
const prunedPerMessage = 16;
const paths = ['chain', 'relay'] as const;

type Path = (typeof paths)[number];

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
   * channel's highest nonce, that of via relay the clock; what was seen and forgotten is below both. Throws
   * replay-too-old below the floor.
   */
  async admit(channel: ChannelId, nonce: bigint, via: Path, tag: Uint8Array): Promise<Admission | undefined> {
    const name = channelBytes(channel);
    if ((await this.find(channel, nonce)) !== undefined) return undefined;
    const highest = await this.#number('highest/', name);
    const forgotten = await this.#number('forgotten/', name);
    const floors = { chain: (highest ?? 0n) - this.#retention, relay: this.#floorByClock() };
    if (nonce < floors[via] || (forgotten !== undefined && nonce <= forgotten)) throw new RelayError('replay-too-old');
    const writes: Write[] = [{ key: seenKey(via, name, nonce), value: tag }];
    if (via === 'chain' && nonce > (highest ?? -1n)) writes.push(numberWrite('highest/', name, nonce));
    const expectations = paths.map((path) => ({ key: seenKey(path, name, nonce), value: undefined }));
    return { writes: [...writes, ...(await this.#prune(name, floors, forgotten))], expectations };
  }

  /** The tag of a seen nonce. */
  async find(channel: ChannelId, nonce: bigint): Promise<Uint8Array | undefined> {
    const name = channelBytes(channel);
    const [onChain, relayed] = await Promise.all(paths.map((path) => this.#store.get(seenKey(path, name, nonce))));
    return onChain ?? relayed;
  }

  /** Frees a nonce admitted via chain that a reorg took back. */
  release(channel: ChannelId, nonce: bigint): Write {
    return { key: seenKey('chain', channelBytes(channel), nonce), value: undefined };
  }

  /**
   * Forgets what its own path would not admit again, and remembers up to where, so that no path admits it again: not
   * the other, whose floor may be far lower, nor the same after the clock was put back. A nonce seen on chain stays
   * until both floors are past it: others around it may have been missed for long, and are still to come.
   */
  async #prune(name: Uint8Array, floors: Record<Path, bigint>, forgotten: bigint | undefined): Promise<Write[]> {
    const lower = floors.chain < floors.relay ? floors.chain : floors.relay;
    const keys = [
      ...(await this.#seenBelow(lower, 'chain', name)),
      ...(await this.#seenBelow(floors.relay, 'relay', name)),
    ];
    const greatest = keys.map(lastNumber).reduce((a, b) => (a > b ? a : b), forgotten ?? -1n);
    const writes: Write[] = keys.map((key) => ({ key, value: undefined }));
    return greatest > (forgotten ?? -1n) ? [...writes, numberWrite('forgotten/', name, greatest)] : writes;
  }

  async #seenBelow(floor: bigint, path: Path, name: Uint8Array): Promise<Uint8Array[]> {
    if (floor <= 0n) return [];
    const { from } = rangeOf(`seen/${path}/`, name);
    const entries = await this.#store.entries({ from, to: seenKey(path, name, floor), limit: prunedPerMessage });
    return entries.map(([key]) => key);
  }

  async #number(kind: string, name: Uint8Array): Promise<bigint | undefined> {
    const value = await this.#store.get(storeKey(kind, name));
    return value === undefined ? undefined : new Reader(value, 'A nonce of the window').u64();
  }

  #floorByClock(): bigint {
    return (BigInt(this.#now()) << nonceBitsBelowMs) - this.#retention;
  }
}

function seenKey(path: Path, name: Uint8Array, nonce: bigint): Uint8Array {
  return storeKey(`seen/${path}/`, name, nonce);
}

function numberWrite(kind: string, name: Uint8Array, value: bigint): Write {
  return { key: storeKey(kind, name), value: new Writer().u64(value).finish() };
}
