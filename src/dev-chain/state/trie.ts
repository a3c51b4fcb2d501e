/**
 * A persistent base-16 trie with path compression: Substrate's state trie. An update copies the nodes on its path and
 * shares the rest, so each block has a state of its own that costs only what it changed.
 *
 * Keys are strings of hex digits (no 0x), one digit a nibble; values are 0x-hex.
 */
export interface TrieNode {
  /** The nibbles between the parent's branch and this node. */
  readonly partial: string;
  readonly value: string | undefined;
  /** 16 entries, or none at all for a leaf. */
  readonly children: readonly (TrieNode | undefined)[] | undefined;
  /** The node's encoding or its hash, filled in when first asked for. */
  merkleValue?: Uint8Array;
  /** The state version by which that was made. */
  merkleVersion?: 0 | 1;
}

export type Trie = TrieNode | undefined;

/** `entries` sorted by key, without duplicates. */
export function trieFromSorted(entries: readonly (readonly [key: string, value: string])[]): Trie {
  return build(entries, 0, entries.length, 0);
}

export function trieGet(root: Trie, key: string): string | undefined {
  let node = root;
  let at = 0;
  while (node !== undefined) {
    if (!key.startsWith(node.partial, at)) return undefined;
    at += node.partial.length;
    if (at === key.length) return node.value;
    node = node.children?.[nibble(key, at)];
    at += 1;
  }
  return undefined;
}

/** The node at `key`, or the first below it. */
export function trieClosest(root: Trie, key: string): Trie {
  let node = root;
  let at = 0;
  while (node !== undefined) {
    const rest = key.slice(at);
    if (node.partial.startsWith(rest)) return node;
    if (!rest.startsWith(node.partial)) return undefined;
    at += node.partial.length + 1;
    node = node.children?.[nibble(key, at - 1)];
  }
  return undefined;
}

/** With `value` undefined the key is removed. */
export function trieSet(root: Trie, key: string, value: string | undefined): Trie {
  if (root === undefined) return value === undefined ? undefined : { partial: key, value, children: undefined };
  const shared = sharedLength(root.partial, key);
  if (shared < root.partial.length) return value === undefined ? root : split(root, key, shared, value);
  if (shared === key.length) {
    return root.value === value ? root : normalise({ partial: root.partial, value, children: root.children });
  }
  const index = nibble(key, shared);
  const before = root.children?.[index];
  const after = trieSet(before, key.slice(shared + 1), value);
  if (after === before) return root;
  const children = root.children === undefined ? noChildren() : [...root.children];
  children[index] = after;
  return normalise({ partial: root.partial, value: root.value, children });
}

/** The first `limit` keys after `after` that start with `prefix`, in order. */
export function trieKeys(root: Trie, prefix: string, after: string, limit: number): string[] {
  const found: string[] = [];
  collect(root, '', prefix, after, limit, found);
  return found;
}

function collect(node: Trie, path: string, prefix: string, after: string, limit: number, found: string[]): void {
  if (node === undefined || found.length >= limit) return;
  const own = path + node.partial;
  if (!own.startsWith(prefix) && !prefix.startsWith(own)) return;
  if (own < after && !after.startsWith(own)) return;
  if (node.value !== undefined && own > after && own.startsWith(prefix)) found.push(own);
  node.children?.forEach((child, index) => collect(child, own + hexDigits.charAt(index), prefix, after, limit, found));
}

function build(entries: readonly (readonly [string, string])[], from: number, to: number, depth: number): Trie {
  const first = entries[from];
  const last = entries[to - 1];
  if (from >= to || first === undefined || last === undefined) return undefined;
  if (to - from === 1) return { partial: first[0].slice(depth), value: first[1], children: undefined };
  const end = depth + sharedLength(first[0].slice(depth), last[0].slice(depth));
  const value = first[0].length === end ? first[1] : undefined;
  const children = noChildren();
  let start = value === undefined ? from : from + 1;
  while (start < to) {
    const index = nibble(entries[start]?.[0] ?? '', end);
    let stop = start + 1;
    while (stop < to && nibble(entries[stop]?.[0] ?? '', end) === index) stop += 1;
    children[index] = build(entries, start, stop, end + 1);
    start = stop;
  }
  return { partial: first[0].slice(depth, end), value, children };
}

function split(node: TrieNode, key: string, shared: number, value: string): TrieNode {
  const children = noChildren();
  children[nibble(node.partial, shared)] = {
    partial: node.partial.slice(shared + 1),
    value: node.value,
    children: node.children,
  };
  const partial = node.partial.slice(0, shared);
  if (shared === key.length) return { partial, value, children };
  children[nibble(key, shared)] = { partial: key.slice(shared + 1), value, children: undefined };
  return { partial, value: undefined, children };
}

/** A branch without a value and with fewer than two children does not exist in a trie of this kind. */
function normalise(node: TrieNode): Trie {
  const present = node.children?.flatMap((child, index) => (child === undefined ? [] : [index])) ?? [];
  const [only] = present;
  if (only === undefined) {
    return node.value === undefined ? undefined : { partial: node.partial, value: node.value, children: undefined };
  }
  if (node.value !== undefined || present.length > 1) return node;
  const child = node.children?.[only];
  if (child === undefined) return node;
  const partial = node.partial + hexDigits.charAt(only) + child.partial;
  return { partial, value: child.value, children: child.children };
}

const hexDigits = '0123456789abcdef';

function noChildren(): (TrieNode | undefined)[] {
  return new Array<TrieNode | undefined>(16).fill(undefined);
}

function nibble(key: string, at: number): number {
  const code = key.charCodeAt(at);
  return code < 58 ? code - 48 : code - 87;
}

function sharedLength(a: string, b: string): number {
  const limit = Math.min(a.length, b.length);
  let length = 0;
  while (length < limit && a.charCodeAt(length) === b.charCodeAt(length)) length += 1;
  return length;
}
