import { hexToBytes } from '../hex.ts';
import type { Trie, TrieNode } from './trie.ts';

/** 0: values are always inline. 1: values of more than 32 bytes are replaced by their hash. */
export type StateVersion = 0 | 1;

export type Hash256 = (bytes: Uint8Array) => Uint8Array;

const hashLength = 32;
/** The first byte of a node: its kind in the upper bits, the length of its partial key in the lower ones. */
const kinds = {
  leaf: { bits: 0b0100_0000, lengthBits: 6 },
  branch: { bits: 0b1000_0000, lengthBits: 6 },
  branchWithValue: { bits: 0b1100_0000, lengthBits: 6 },
  leafWithHash: { bits: 0b0010_0000, lengthBits: 5 },
  branchWithHash: { bits: 0b0001_0000, lengthBits: 4 },
} as const;

/** sp-trie's `LayoutV0` and `LayoutV1`. */
export function encodeNode(node: TrieNode, version: StateVersion, hash: Hash256): Uint8Array {
  const value = node.value === undefined ? undefined : hexToBytes(node.value);
  const hashed = value !== undefined && isHashedValue(value.length, version);
  const kind =
    node.children === undefined
      ? hashed
        ? kinds.leafWithHash
        : kinds.leaf
      : hashed
        ? kinds.branchWithHash
        : value === undefined
          ? kinds.branch
          : kinds.branchWithValue;
  const parts: Uint8Array[] = [encodeHeader(kind, node.partial.length), packNibbles(node.partial)];
  if (node.children !== undefined) parts.push(encodeBitmap(node.children));
  if (value !== undefined) parts.push(...(hashed ? [hash(value)] : [compact(value.length), value]));
  for (const child of node.children ?? []) {
    if (child === undefined) continue;
    const reference = merkleValue(child, version, hash);
    parts.push(compact(reference.length), reference);
  }
  return Buffer.concat(parts);
}

/** What a parent holds of its child: the encoding where that is short, else its hash. */
export function merkleValue(node: TrieNode, version: StateVersion, hash: Hash256): Uint8Array {
  if (node.merkleValue !== undefined && node.merkleVersion === version) return node.merkleValue;
  const encoded = encodeNode(node, version, hash);
  node.merkleValue = encoded.length < hashLength ? encoded : hash(encoded);
  node.merkleVersion = version;
  return node.merkleValue;
}

export function trieRoot(root: Trie, version: StateVersion, hash: Hash256): Uint8Array {
  return hash(root === undefined ? Uint8Array.of(0) : encodeNode(root, version, hash));
}

export function isHashedValue(length: number, version: StateVersion): boolean {
  return version === 1 && length > hashLength;
}

export function compact(value: number): Uint8Array {
  if (value < 1 << 6) return Uint8Array.of(value << 2);
  const bytes = Buffer.alloc(value < 1 << 14 ? 2 : 4);
  if (bytes.length === 2) bytes.writeUInt16LE((value << 2) | 1);
  else bytes.writeUInt32LE(value * 4 + 2);
  return bytes;
}

function encodeHeader(kind: { readonly bits: number; readonly lengthBits: number }, length: number): Uint8Array {
  const fits = 2 ** kind.lengthBits - 1;
  if (length < fits) return Uint8Array.of(kind.bits | length);
  const bytes = [kind.bits | fits];
  let rest = length - fits;
  for (; rest >= 255; rest -= 255) bytes.push(255);
  return Uint8Array.from([...bytes, rest]);
}

function packNibbles(nibbles: string): Uint8Array {
  return Buffer.from(nibbles.length % 2 === 0 ? nibbles : `0${nibbles}`, 'hex');
}

function encodeBitmap(children: readonly (TrieNode | undefined)[]): Uint8Array {
  const bitmap = children.reduce((bits, child, index) => (child === undefined ? bits : bits | (1 << index)), 0);
  return Uint8Array.of(bitmap & 0xff, bitmap >> 8);
}
