import type { Hex } from '../../codec/hex.ts';
import { bytesToHex, hexToBytes } from '../hex.ts';
import { encodeNode, isHashedValue, type Hash256, type StateVersion } from './trie-encoding.ts';
import type { Trie } from './trie.ts';

/** The nodes that a lookup of each key visits, and the values stored apart: what `state_getReadProof` answers. */
export function readProof(root: Trie, keys: readonly string[], version: StateVersion, hash: Hash256): Hex[] {
  const proof = new Set<Hex>();
  for (const key of keys) {
    let node = root;
    let at = 0;
    while (node !== undefined) {
      const encoded = encodeNode(node, version, hash);
      // A short node stands inside its parent and needs no entry of its own; the root always does.
      if (node === root || encoded.length >= 32) proof.add(bytesToHex(encoded));
      if (!key.startsWith(node.partial, at)) break;
      at += node.partial.length;
      if (at >= key.length) {
        if (at === key.length && node.value !== undefined) {
          const value = hexToBytes(node.value);
          if (isHashedValue(value.length, version)) proof.add(bytesToHex(value));
        }
        break;
      }
      node = node.children?.[Number.parseInt(key.charAt(at), 16)];
      at += 1;
    }
  }
  return [...proof];
}
