import { toHex, Writer, type Hex } from '../../codec/index.ts';
import type { Hash256 } from './proof-nodes.ts';
import { digitOf } from './trie-node.ts';

/** 0: values stand in the nodes. 1: in place of one of more than 32 bytes its hash does. */
export type StateVersion = 0 | 1;

const hashLength = 32;
/** First bytes of nodes: the kind, and in what is left the number of nibbles, here a few. */
const kinds = { leaf: 0x40, leafWithHash: 0x20, branch: 0x80 } as const;
const emptyRoot = Uint8Array.of(0);

interface Entry {
  /** Hex digits. None begins with another one: the lowest bits of a compact number tell its length. */
  readonly key: string;
  readonly value: Uint8Array;
}

/**
 * Root of the trie of values by the compact form of their places in the list: `extrinsicsRoot` of a header (sp-trie's
 * `LayoutV0` and `LayoutV1`).
 */
export function orderedRoot(values: readonly Uint8Array[], version: StateVersion, hash: Hash256): Hex {
  const entries = values.map((value, place) => ({
    key: toHex(new Writer().compactLength(place).finish()).slice(2),
    value,
  }));
  entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  return toHex(hash.binary(entries.length === 0 ? emptyRoot : encodeNode(entries, 0, version, hash)));
}

/** Of entries whose keys have the same digits up to a place. */
function encodeNode(entries: readonly Entry[], from: number, version: StateVersion, hash: Hash256): Uint8Array {
  const [first, last] = [entries[0], entries.at(-1)];
  if (first === undefined || last === undefined) return emptyRoot;
  if (first === last) return encodeLeaf(first, from, version, hash);
  let end = from;
  while (first.key[end] === last.key[end]) end += 1;
  const children: Uint8Array[] = [];
  let bitmap = 0;
  for (let nibble = 0; nibble < 16; nibble++) {
    const below = entries.filter(({ key }) => key[end] === digitOf(nibble));
    if (below.length === 0) continue;
    bitmap |= 1 << nibble;
    const child = encodeNode(below, end + 1, version, hash);
    children.push(child.length < hashLength ? child : hash.binary(child));
  }
  const writer = writePartial(kinds.branch, first.key.slice(from, end));
  writer.u8(bitmap & 0xff).u8(bitmap >> 8);
  for (const child of children) writer.bytes(child);
  return writer.finish();
}

function encodeLeaf({ key, value }: Entry, from: number, version: StateVersion, hash: Hash256): Uint8Array {
  const partial = key.slice(from);
  return version === 1 && value.length > hashLength
    ? writePartial(kinds.leafWithHash, partial).raw(hash.binary(value)).finish()
    : writePartial(kinds.leaf, partial).bytes(value).finish();
}

function writePartial(kind: number, partial: string): Writer {
  const writer = new Writer().u8(kind | partial.length);
  const digits = partial.length % 2 === 0 ? partial : `0${partial}`;
  for (let at = 0; at < digits.length; at += 2) writer.u8(Number.parseInt(digits.slice(at, at + 2), 16));
  return writer;
}
