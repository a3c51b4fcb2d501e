import { toHex } from './hex.ts';
import { headerStartLength, type HeaderStart } from './header.ts';

const keptAtMost = 1_024;
const { Buffer: NodeBuffer } = globalThis as { readonly Buffer?: typeof Buffer };

/**
 * Beginnings of headers, each decoded once: who reads messages by the thousand reads those of a few senders. Keys are shared
 * by all headers that they are given for, so nobody may write to them.
 */
export class HeaderStarts {
  readonly #known = new Map<string, HeaderStart>();

  /** Of the header that begins at `at`, all of it there, with a valid kind. */
  of(bytes: Uint8Array, at: number): HeaderStart {
    const text = textOf(bytes, at);
    const known = this.#known.get(text);
    if (known !== undefined) return known;
    const part = (index: number): Uint8Array => bytes.slice(at + 1 + 32 * index, at + 1 + 32 * (index + 1));
    const start: HeaderStart = {
      fromKind: bytes[at] === 0 ? 'worker' : 'account',
      from: toHex(part(0)),
      to: toHex(part(1)),
      senderKey: part(2),
      recipientKey: part(3),
    };
    if (this.#known.size >= keptAtMost) this.#known.clear();
    this.#known.set(text, start);
    return start;
  }
}

function textOf(bytes: Uint8Array, at: number): string {
  if (NodeBuffer !== undefined)
    return NodeBuffer.from(bytes.buffer, bytes.byteOffset + at, headerStartLength).toString('latin1');
  return String.fromCharCode(...bytes.subarray(at, at + headerStartLength));
}
