import { Reader, Writer } from '../codec/index.ts';

/**
 * Nonces that one transaction saw of a channel, ascending, all greater than any before: as one value, under the greatest of
 * them. Each with its tag: `(nonce:u64 tag:u64)*`.
 */
export class SeenRun {
  readonly nonces: bigint[] = [];
  readonly tags: bigint[] = [];

  add(nonce: bigint, tag: bigint): void {
    this.nonces.push(nonce);
    this.tags.push(tag);
  }

  get last(): bigint {
    return this.nonces.at(-1) ?? -1n;
  }

  encode(): Uint8Array {
    const bytes = new Uint8Array(entryLength * this.nonces.length);
    const words = new DataView(bytes.buffer);
    for (let i = 0; i < this.nonces.length; i++) {
      words.setBigUint64(entryLength * i, this.nonces[i] ?? 0n, true);
      words.setBigUint64(entryLength * i + 8, this.tags[i] ?? 0n, true);
    }
    return bytes;
  }
}

const entryLength = 16;

/** The tag of a nonce in an encoded run. */
export function tagInRun(bytes: Uint8Array, nonce: bigint): bigint | undefined {
  const reader = new Reader(bytes, 'Seen nonces');
  while (reader.offset < bytes.length) {
    const [seen, tag] = [reader.u64(), reader.u64()];
    if (seen === nonce) return tag;
  }
  return undefined;
}

/** A tag as it stands alone. */
export function encodeTag(tag: bigint): Uint8Array {
  return new Writer(8).u64(tag).finish();
}

export function decodeTag(bytes: Uint8Array): bigint {
  return new Reader(bytes, 'The tag of a nonce').u64();
}
