import fc from 'fast-check';
import { fromHex, toHex } from '../../../src/codec/index.ts';
import type { KnownMap } from '../../../src/chain/trie/known-map.ts';
import { findSubtree } from '../../../src/chain/trie/look-up.ts';
import { loadHash256, ProofNodes } from '../../../src/chain/trie/proof-nodes.ts';
import { findChanges, type Done, type MapChanges, type Missing } from '../../../src/chain/trie/walk-map.ts';
import { readProof } from '../../../src/dev-chain/state/read-proof.ts';
import { trieRoot, type StateVersion } from '../../../src/dev-chain/state/trie-encoding.ts';
import { trieFromSorted } from '../../../src/dev-chain/state/trie.ts';

export const hash = await loadHash256();

/** A state to be read by proofs: keys are hex digits, values bytes as hex digits. */
export interface Truth {
  readonly entries: ReadonlyMap<string, string>;
  readonly root: Uint8Array;
  proof(keys: readonly string[]): string[];
}

export function truthOf(entries: ReadonlyMap<string, string>, version: StateVersion = 1): Truth {
  const sorted = [...entries].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, `0x${value}`] as const);
  const trie = trieFromSorted(sorted);
  return {
    entries,
    root: trieRoot(trie, version, hash.binary),
    proof: (keys) => readProof(trie, keys, version, hash.binary),
  };
}

/** Asks for what is missing until the work is done, as the proof reader does. */
export function prove<T>(
  { root, proof }: Pick<Truth, 'root' | 'proof'>,
  keys: readonly string[],
  work: (nodes: ProofNodes, root: Uint8Array) => Done<T> | Missing,
): { readonly done: T; readonly nodes: ProofNodes; readonly rounds: number } {
  const nodes = new ProofNodes(hash);
  let wanted = keys;
  for (let rounds = 1; rounds < 100; rounds++) {
    nodes.add(proof(wanted));
    const result = work(nodes, root);
    if ('done' in result) return { done: result.done, nodes, rounds };
    wanted = [...new Set(result.missing)].map((key) => (key.length % 2 === 0 ? key : `${key}0`));
  }
  throw new Error(`it always lacks something: ${wanted.slice(0, 3).join()}`);
}

export function changesOf(
  prefix: string,
  known: KnownMap,
): (nodes: ProofNodes, root: Uint8Array) => Done<MapChanges> | Missing {
  return (nodes, root) => {
    const subtree = findSubtree(nodes, root, prefix);
    return subtree === undefined ? { missing: [prefix] } : findChanges(nodes, prefix, subtree.is, known);
  };
}

export const mapPrefix = '26aa';
const around = ['00', '26a9ff', '26ab', '26b0', '3a636f6465'];

/** Keys of a map: of one length, as hashed keys are, or of several. Few digits, so that branches lie deep. */
export const mapKeys: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(fc.constantFrom('0', '1', '3', 'f'), { minLength: 8, maxLength: 8 }).map((d) => d.join('')),
  },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom('0', '1'), { minLength: 1, maxLength: 6 }).map((d) => d.join('').repeat(2)),
  },
);
export const mapValues: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 0, maxLength: 48 })
  .map((bytes) => toHex(bytes).slice(2));

/** The map's entries among others of the state. */
export function stateWith(map: ReadonlyMap<string, string>): Map<string, string> {
  const entries = new Map(around.map((key) => [key, key]));
  for (const [key, value] of map) entries.set(mapPrefix + key, value);
  return entries;
}

export function bytesOf(digits: string): Uint8Array {
  return fromHex(`0x${digits}`);
}
