import { Writer, Reader } from '../codec/index.ts';
import { storeKey } from '../store/keys.ts';
import type { Expectation, TransactionalStore, Write } from '../store/transactional-store.ts';
import { channelBytes, type ChannelId } from './channel-id.ts';

const randomBits = 20;

export interface NonceClock {
  /** Unix time, ms. Default Date.now. */
  readonly now?: () => number;
  /** `bits` random bits. Default: the platform's. */
  readonly random?: (bits: number) => number;
}

/** A nonce with what makes it durable: commit both together with the message that carries it. */
export interface ReservedNonce {
  readonly nonce: bigint;
  readonly write: Write;
  /** Fails where another process took a nonce of the channel meanwhile. */
  readonly expectation: Expectation;
}

/** The next nonce of a channel: grows over restarts and over clocks that jump back (protocol.md §9). */
export async function reserveNonce(
  store: TransactionalStore,
  channel: ChannelId,
  clock: NonceClock = {},
): Promise<ReservedNonce> {
  const key = nonceKey(channel);
  const value = await store.get(key);
  const nonce = nextNonce(value, clock);
  return { nonce, write: { key, value: nonceValue(nonce) }, expectation: { key, value } };
}

/** Where a channel's last nonce is stored. */
export function nonceKey(channel: ChannelId): Uint8Array {
  return storeKey('nonce/', channelBytes(channel));
}

export function nonceValue(nonce: bigint): Uint8Array {
  return new Writer().u64(nonce).finish();
}

/** The one after that of a {@link nonceValue}. */
export function nextNonce(
  last: Uint8Array | undefined,
  { now = Date.now, random = randomNumber }: NonceClock = {},
): bigint {
  const before = last === undefined ? -1n : new Reader(last, 'The stored nonce').u64();
  const byClock = (BigInt(now()) << BigInt(randomBits)) + BigInt(random(randomBits));
  return byClock > before ? byClock : before + 1n;
}

function randomNumber(bits: number): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) >>> (32 - bits);
}
