import { equalBytes } from '../../codec/index.ts';
import { rootOf, type Known, type ProofNodes } from './proof-nodes.ts';
import { nibbleAt, type TrieNode } from './trie-node.ts';

/**
 * Follows a key (hex digits) from the state root. Gives the value, `is: undefined` where the proof shows that there is
 * none, and undefined where the proof does not tell. Throws bad-proof.
 */
export function lookUp(nodes: ProofNodes, root: Uint8Array, key: string): Known<Uint8Array | undefined> | undefined {
  let reference: Uint8Array | undefined = rootOf(root);
  for (let at = 0; ; at++) {
    if (reference === undefined) return { is: undefined };
    const known = nodes.node(reference);
    if (known?.is === undefined) return known as Known<undefined> | undefined;
    const node: TrieNode = known.is;
    if (!key.startsWith(node.partial, at)) return { is: undefined };
    at += node.partial.length;
    if (at === key.length) {
      if (!node.hasValue) return { is: undefined };
      const bytes = nodes.valueOf(node);
      return bytes && { is: bytes };
    }
    reference = node.child(nibbleAt(key, at));
  }
}

/** The Merkle value of the node under which all keys with a prefix hang, and how many digits of keys lead to it. */
export interface Subtree {
  readonly merkleValue: Uint8Array;
  /** Digits that lead to the node, those of its own partial key left out: the prefix, or the beginning of it. */
  readonly path: string;
}

/** As {@link lookUp}, for all keys that begin with `prefix`; `is: undefined` where the proof shows that there is none. */
export function findSubtree(
  nodes: ProofNodes,
  root: Uint8Array,
  prefix: string,
): Known<Subtree | undefined> | undefined {
  let merkleValue: Uint8Array | undefined = rootOf(root);
  for (let at = 0; ; at++) {
    if (merkleValue === undefined) return { is: undefined };
    const known = nodes.node(merkleValue);
    if (known?.is === undefined) return known as Known<undefined> | undefined;
    const node: TrieNode = known.is;
    const { partial } = node;
    const end = at + partial.length;
    if (end >= prefix.length)
      return partial.startsWith(prefix.slice(at))
        ? { is: { merkleValue, path: prefix.slice(0, at) } }
        : { is: undefined };
    if (!prefix.startsWith(partial, at)) return { is: undefined };
    at = end;
    merkleValue = node.child(nibbleAt(prefix, at));
  }
}

/** Whether the same hangs in the same place: then all keys below have the same values. */
export function sameSubtree(a: Subtree | undefined, b: Subtree | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.path === b.path && equalBytes(a.merkleValue, b.merkleValue);
}
