import { RelayError } from '../../errors/index.ts';
import { keepShape } from '../keep-shape.ts';
import { hexDigits } from '../storage/fast-hex.ts';

/** A node of Substrate's base-16 state trie, as views of its encoding that are made when they are asked for. */
export class TrieNode {
  readonly bytes: Uint8Array;
  /** Hex digits between the parent's branch and this node. */
  readonly partial: string;
  /** Where the value is, or the hash of one that stands apart (state version 1, more than 32 bytes); no bytes, -1: none. */
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly isValueHashed: boolean;
  readonly isBranch: boolean;
  /** A bit for each child there is. */
  readonly bitmap: number;
  /** Where the Merkle values of the children begin: see {@link merkleValueAt}. */
  readonly childrenAt: number;

  /** Of an encoding that is known to be sound. */
  constructor(
    bytes: Uint8Array,
    partial: string,
    value: { readonly start: number; readonly end: number; readonly isHashed: boolean } | undefined,
    children: { readonly bitmap: number; readonly at: number } | undefined,
  ) {
    this.bytes = bytes;
    this.partial = partial;
    this.valueStart = value?.start ?? -1;
    this.valueEnd = value?.end ?? -1;
    this.isValueHashed = value?.isHashed ?? false;
    this.isBranch = children !== undefined;
    this.bitmap = children?.bitmap ?? 0;
    this.childrenAt = children?.at ?? 0;
  }

  get hasValue(): boolean {
    return this.valueStart >= 0;
  }

  hasChild(nibble: number): boolean {
    return ((this.bitmap >> nibble) & 1) !== 0;
  }

  /** The Merkle value of a child: a hash of 32 bytes, or a shorter node itself. */
  child(nibble: number): Uint8Array | undefined {
    const at = this.childAt(nibble);
    if (at === undefined) return undefined;
    return this.bytes.subarray(merkleValueAt(this.bytes, at), endOfMerkleValue(this.bytes, at));
  }

  /** Where the length in front of the Merkle value of a child is. */
  childAt(nibble: number): number | undefined {
    if (!this.hasChild(nibble)) return undefined;
    let at = this.childrenAt;
    for (let each = 0; each < nibble; each++) if (this.hasChild(each)) at = endOfMerkleValue(this.bytes, at);
    return at;
  }

  /** By nibble, 16 of them. */
  children(): (Uint8Array | undefined)[] {
    const children = new Array<Uint8Array | undefined>(16).fill(undefined);
    this.eachChild((nibble, start, end) => (children[nibble] = this.bytes.subarray(start, end)));
    return children;
  }

  /** Where the Merkle values are. */
  eachChild(visit: (nibble: number, start: number, end: number) => void): void {
    for (let nibble = 0, at = this.childrenAt; nibble < 16; nibble++) {
      if (!this.hasChild(nibble)) continue;
      const end = endOfMerkleValue(this.bytes, at);
      visit(nibble, merkleValueAt(this.bytes, at), end);
      at = end;
    }
  }
}

keepShape(new TrieNode(new Uint8Array(0), '', undefined, undefined));

/** Where the Merkle value itself begins, behind its length. */
export function merkleValueAt(bytes: Uint8Array, at: number): number {
  return at + compactBytes(bytes, at);
}

/** Where it ends, and the next one begins. */
export function endOfMerkleValue(bytes: Uint8Array, at: number): number {
  return at + compactBytes(bytes, at) + compactAt(bytes, at);
}

const hashLength = 32;
const allDigits = '0123456789abcdef';

/**
 * Decodes the node between two places as sp-trie writes it (`LayoutV0`, `LayoutV1`); undefined for the empty trie. Twenty times as fast as
 * @polkadot-api/substrate-bindings, which a snapshot's 200 000 nodes need; the tests hold it against that one.
 * Throws bad-proof.
 */
export function decodeTrieNode(bytes: Uint8Array, start = 0, end = bytes.length): TrieNode | undefined {
  if (end <= start) throw malformed('it is empty');
  const first = bytes[start] ?? 0;
  if (first === 0 && end === start + 1) return undefined;
  if (first >= 0b1100_0000) return decode(bytes, start, end, 6, true, 'inline');
  if (first >= 0b1000_0000) return decode(bytes, start, end, 6, true, 'none');
  if (first >= 0b0100_0000) return decode(bytes, start, end, 6, false, 'inline');
  if (first >= 0b0010_0000) return decode(bytes, start, end, 5, false, 'hash');
  if (first >= 0b0001_0000) return decode(bytes, start, end, 4, true, 'hash');
  throw malformed('its kind is unknown');
}

function decode(
  bytes: Uint8Array,
  start: number,
  end: number,
  lengthBits: number,
  isBranch: boolean,
  form: 'inline' | 'hash' | 'none',
): TrieNode {
  // What is read beyond the end is found out when the next place is: at the latest by the last check.
  const fits = (1 << lengthBits) - 1;
  let at = start + 1;
  let nibbles = (bytes[start] ?? 0) & fits;
  if (nibbles === fits)
    for (let more = 255; more === 255; at++) {
      if (at >= end) throw cutOff();
      more = bytes[at] ?? 0;
      nibbles += more;
    }
  const partialAt = at;
  at += (nibbles + 1) >> 1;
  if (at > end) throw cutOff();
  const partial = digitsOf(bytes, partialAt, at, nibbles);

  let bitmap = 0;
  if (isBranch) {
    bitmap = byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8);
    at += 2;
  }
  let value: { start: number; end: number; isHashed: boolean } | undefined;
  if (form !== 'none') {
    let valueEnd = at + hashLength;
    if (form === 'inline') {
      const size = compactAt(bytes, at);
      at += compactBytes(bytes, at);
      valueEnd = at + size;
    }
    if (valueEnd > end) throw cutOff();
    value = { start: at, end: valueEnd, isHashed: form === 'hash' };
    at = valueEnd;
  }
  const children = isBranch ? { bitmap, at } : undefined;
  for (let bits = bitmap; bits !== 0; bits &= bits - 1) {
    if (at >= end) throw cutOff();
    const size = compactAt(bytes, at);
    if (size > hashLength) throw malformed('a child is longer than a hash');
    at += compactBytes(bytes, at) + size;
  }
  if (at > end) throw cutOff();
  if (at < end) throw malformed('bytes are left over');
  return new TrieNode(bytes, partial, value, children);
}

function byteAt(bytes: Uint8Array, at: number): number {
  const byte = bytes[at];
  if (byte === undefined) throw cutOff();
  return byte;
}

function compactAt(bytes: Uint8Array, at: number): number {
  const low = byteAt(bytes, at);
  if ((low & 3) === 0) return low >> 2;
  if ((low & 3) === 1) return (low | (byteAt(bytes, at + 1) << 8)) >> 2;
  if ((low & 3) === 2)
    return (low | (byteAt(bytes, at + 1) << 8) | (byteAt(bytes, at + 2) << 16) | (byteAt(bytes, at + 3) << 24)) >>> 2;
  throw malformed('a length in it is too large');
}

/** Bytes that the compact number takes. */
function compactBytes(bytes: Uint8Array, at: number): number {
  return 1 << ((bytes[at] ?? 0) & 3);
}

function digitsOf(bytes: Uint8Array, start: number, end: number, nibbles: number): string {
  if (nibbles === 0) return '';
  if (nibbles === 1 && (bytes[start] ?? 0) < 16) return digitOf(bytes[start] ?? 0);
  const text = hexDigits(bytes, start, end);
  if (nibbles % 2 === 0) return text;
  if (!text.startsWith('0')) throw malformed('its partial key is not padded with zero');
  return text.slice(1);
}

/** The hex digit of a nibble. */
export function digitOf(nibble: number): string {
  return allDigits.charAt(nibble);
}

/** The nibble of the hex digit at a place of a path. */
export function nibbleAt(path: string, at: number): number {
  const code = path.charCodeAt(at);
  // 0x30: 0 to 9; else a to f.
  return code < 0x40 ? code - 0x30 : code - 0x57;
}

function cutOff(): RelayError {
  return malformed('it is cut off');
}

function malformed(reason: string): RelayError {
  return new RelayError('bad-proof', {
    details: { reason: `a trie node does not decode: ${reason}` },
  });
}
