import type { Hex } from '../../codec/hex.ts';
import type { Hashing } from '../hashing.ts';
import { bytesToHex } from '../hex.ts';
import { compact, trieRoot } from '../state/trie-encoding.ts';
import { trieFromSorted } from '../state/trie.ts';

/**
 * What a header's `extrinsicsRoot` may be with these extrinsics: the root of a trie by compact-encoded index, in
 * either layout. Which of the two is used depends on the runtime's system version.
 */
export function extrinsicsRoots(extrinsics: readonly Hex[], hashing: Hashing): [Hex, Hex] {
  const entries = extrinsics.map((extrinsic, index) => [bytesToHex(compact(index)).slice(2), extrinsic] as const);
  const sorted = entries.sort(([a], [b]) => (a < b ? -1 : 1));
  const root = (version: 0 | 1): Hex => bytesToHex(trieRoot(trieFromSorted(sorted), version, hashing.blake2b256));
  return [root(0), root(1)];
}
