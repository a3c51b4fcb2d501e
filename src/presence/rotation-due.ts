import { blake2b } from '@noble/hashes/blake2.js';
import { concatBytes, fromHex, Writer, type Hex } from '../codec/index.ts';
import type { EcdhPublic } from '../vault/index.ts';

/** Share of the interval by which rotations are spread, so that not all entities rotate at one moment. */
const jitter = 0.1;
/** An EcdhKey that sealed so many messages is replaced early: its limit is 2^32 (protocol.md §5). */
const maxSeals = 2 ** 31;

/**
 * When the current EcdhKey is to be replaced, Unix ms; Infinity: never. A pending epoch is due at once: a run before did
 * not get to finish. The spread depends on identity and epoch alone, so a restart changes nothing.
 */
export function rotationDue(identity: Hex, keys: readonly EcdhPublic[], everyMs: number): number {
  const current = keys.find(({ state }) => state === 'current');
  if (current === undefined) return Infinity;
  const isPending = keys.some(({ state, epoch }) => state === 'pending' && epoch > current.epoch);
  if (isPending || current.seals > maxSeals) return 0;
  if (everyMs === 0) return Infinity;
  return current.createdAt + everyMs * (1 + jitter * spread(identity, current.epoch));
}

/** From -1 to 1. */
function spread(identity: Hex, epoch: number): number {
  const hash = blake2b(concatBytes(fromHex(identity), new Writer().u32(epoch).finish()), { dkLen: 4 });
  return new DataView(hash.buffer, hash.byteOffset).getUint32(0) / 2 ** 31 - 1;
}
