import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { SealedPart } from './backend.ts';

const block = 16;
const tagLength = 16;
/** Keystream of one group, bytes: what comes out of it shares so much memory. */
const mostStream = 2 ** 15;
/** Bytes that are hashed of one group. */
const mostHashed = 2 ** 17;
/** Fewer cost less one by one. */
const fewest = 4;
/** To make a cipher ready is a small part of what a longer one costs. */
const longest = 4_096;

// Of one group at a time.
const counters = new DataView(new ArrayBuffer(mostStream));
const hashed = new Uint8Array(mostHashed);
const hashedView = new DataView(hashed.buffer);
const hashedWords = new Uint32Array(hashed.buffer);
const zeros = new Uint8Array(mostHashed);
const anyIv = new Uint8Array(12);

/**
 * Opens many short messages of AES-256-GCM under one key (NIST SP 800-38D): OpenSSL takes microseconds to make a cipher ready
 * for each, and a fraction of one for what it does then. The counter blocks of many are encrypted at once, and their tags
 * checked at once: one GHASH goes over each message and its tag, freed of the block that hides it, so that it is zero behind
 * each true tag and at the end. Every block stands at a power of the hash key of its own, so that false ones pass no easier
 * than one in a message as long as all of them. Where it is not zero each is opened by itself, by `openOne`.
 *
 * What comes out shares memory.
 */
export function openGcmBatch(
  key: Uint8Array,
  prefix: Uint8Array,
  parts: readonly SealedPart[],
  openOne: (part: SealedPart) => Uint8Array | undefined,
): (Uint8Array | undefined)[] {
  const opened: (Uint8Array | undefined)[] = [];
  while (opened.length < parts.length) {
    const group = new Group(prefix);
    const first = opened.length;
    let end = first;
    for (let part = parts[end]; part !== undefined && group.add(part); part = parts[end]) end += 1;
    const together = end - first < fewest ? undefined : group.open(key);
    opened.push(...(together ?? parts.slice(first, Math.max(end, first + 1)).map(openOne)));
  }
  return opened;
}

/** Where a message is in its group. */
interface Place {
  /** Of its keystream: the block that hides its tag, then those of its text. */
  readonly streamAt: number;
  /** Of its text among what is hashed. */
  readonly textAt: number;
  readonly textLength: number;
}

class Group {
  readonly #prefix: Uint8Array;
  readonly #places: Place[] = [];
  #streamed = 0;
  #hashed = 0;

  constructor(prefix: Uint8Array) {
    this.#prefix = prefix;
  }

  /** False where there is no room. */
  add({ bytes, ivAt, aadAt, aadLength, sealedAt, sealedLength }: SealedPart): boolean {
    const streamAt = this.#streamed;
    const hashedAt = this.#hashed;
    const textLength = sealedLength - tagLength;
    const streamEnd = streamAt + block + inBlocks(textLength);
    const textAt = hashedAt + inBlocks(this.#prefix.length + aadLength);
    const lengthsAt = textAt + inBlocks(textLength);
    const hashedEnd = lengthsAt + 2 * block;
    if (hashedEnd - hashedAt > longest || streamEnd > mostStream || hashedEnd > mostHashed) return false;
    const from = viewOf(bytes.buffer);
    const begin = bytes.byteOffset;
    for (let at = streamAt, counter = 1; at < streamEnd; at += block, counter++) {
      for (let i = 0; i < 12; i += 4) counters.setInt32(at + i, from.getInt32(begin + ivAt + i));
      counters.setUint32(at + 12, counter);
    }
    hashedWords.fill(0, hashedAt / 4, hashedEnd / 4);
    hashed.set(this.#prefix, hashedAt);
    copy(from, begin + aadAt, aadLength, hashedAt + this.#prefix.length);
    copy(from, begin + sealedAt, textLength, textAt);
    hashedView.setUint32(lengthsAt + 4, 8 * (this.#prefix.length + aadLength));
    hashedView.setUint32(lengthsAt + 12, 8 * textLength);
    copy(from, begin + sealedAt + textLength, tagLength, lengthsAt + block);
    this.#places.push({ streamAt, textAt, textLength });
    this.#streamed = streamEnd;
    this.#hashed = hashedEnd;
    return true;
  }

  /** undefined: one of them is not true. */
  open(key: Uint8Array): Uint8Array[] | undefined {
    const stream = encrypted(key, new Uint8Array(counters.buffer, 0, this.#streamed));
    const words = new Uint32Array(stream.buffer, stream.byteOffset, stream.length / 4);
    for (const { streamAt, textAt, textLength } of this.#places) {
      const tagAt = textAt + inBlocks(textLength) + block;
      exclusiveOr(hashedWords, tagAt / 4, words, streamAt / 4, block / 4);
      exclusiveOr(words, (streamAt + block) / 4, hashedWords, textAt / 4, inBlocks(textLength) / 4);
    }
    if (!hashesToZero(key, this.#hashed)) {
      stream.fill(0);
      return undefined;
    }
    return this.#places.map(
      ({ streamAt, textLength }) => new Uint8Array(stream.buffer, stream.byteOffset + streamAt + block, textLength),
    );
  }
}

function encrypted(key: Uint8Array, blocks: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-256-ecb', key, null).setAutoPadding(false);
  return cipher.update(blocks);
}

/** Whether GHASH of what `hashed` begins with is that of as many zeros, which is zero before the lengths are hashed. */
function hashesToZero(key: Uint8Array, length: number): boolean {
  const zero = createCipheriv('aes-256-gcm', key, anyIv).setAAD(zeros.subarray(0, length));
  zero.final();
  const check = createDecipheriv('aes-256-gcm', key, anyIv, { authTagLength: tagLength });
  check.setAAD(hashed.subarray(0, length)).setAuthTag(zero.getAuthTag());
  try {
    check.final();
    return true;
  } catch {
    return false;
  }
}

function inBlocks(length: number): number {
  return (length + block - 1) & -block;
}

function copy(from: DataView, at: number, length: number, to: number): void {
  const inWords = length & -4;
  // As signed ones: of the others half are more than what is no object.
  for (let i = 0; i < inWords; i += 4) hashedView.setInt32(to + i, from.getInt32(at + i));
  for (let i = inWords; i < length; i++) hashedView.setUint8(to + i, from.getUint8(at + i));
}

function exclusiveOr(target: Uint32Array, at: number, other: Uint32Array, from: number, count: number): void {
  for (let i = 0; i < count; i++) target[at + i] = (target[at + i] ?? 0) ^ (other[from + i] ?? 0);
}

let lastView: DataView = hashedView;

/** Messages that come together are in the same memory. */
function viewOf(buffer: ArrayBufferLike): DataView {
  if (lastView.buffer !== buffer) lastView = new DataView(buffer);
  return lastView;
}
