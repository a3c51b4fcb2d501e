import type { Hex } from '../../codec/hex.ts';
import type { Hashing } from '../hashing.ts';
import { bytesToHex } from '../hex.ts';
import { compact, trieRoot, type StateVersion } from '../state/trie-encoding.ts';
import { trieFromSorted } from '../state/trie.ts';

/**
 * What a header's `extrinsicsRoot` may be with these extrinsics, in either layout. Which of the two is used depends on the runtime's system version.
 */
export function extrinsicsRoots(extrinsics: readonly Hex[], hashing: Hashing): [Hex, Hex] {
  return [orderedRoot(extrinsics, 0, hashing), orderedRoot(extrinsics, 1, hashing)];
}

/** The root of a trie of these values by their compact-encoded index. */
export function orderedRoot(
  values: readonly Hex[],
  version: StateVersion,
  { blake2b256 }: Pick<Hashing, 'blake2b256'>,
): Hex {
  const entries = values.map((value, index) => [bytesToHex(compact(index)).slice(2), value] as const);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  return bytesToHex(trieRoot(trieFromSorted(sorted), version, blake2b256));
}
