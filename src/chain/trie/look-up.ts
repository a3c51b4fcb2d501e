import { equalBytes } from '../../codec/index.ts';
import { rootOf, type Known, type ProofNodes } from './proof-nodes.ts';
import { endOfMerkleValue, merkleValueAt, nibbleAt, type TrieNode } from './trie-node.ts';

/**
 * Follows a key (hex digits) from the state root. Gives the value, `is: undefined` where the proof shows that there is
 * none, and undefined where the proof does not tell. Throws bad-proof.
 */
export function lookUp(nodes: ProofNodes, root: Uint8Array, key: string): Known<Uint8Array | undefined> | undefined {
  // Places of Merkle values: a view of each costs more than following it.
  let bytes = rootOf(root);
  let [start, end] = [0, bytes.length];
  for (let at = 0; ; at++) {
    const known = nodes.node(bytes, start, end);
    if (known?.is === undefined) return known as Known<undefined> | undefined;
    const node: TrieNode = known.is;
    if (!key.startsWith(node.partial, at)) return { is: undefined };
    at += node.partial.length;
    if (at === key.length) {
      if (!node.hasValue) return { is: undefined };
      const value = nodes.valueOf(node);
      return value && { is: value };
    }
    const child = node.childAt(nibbleAt(key, at));
    if (child === undefined) return { is: undefined };
    ({ bytes } = node);
    start = merkleValueAt(bytes, child);
    end = endOfMerkleValue(bytes, child);
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
