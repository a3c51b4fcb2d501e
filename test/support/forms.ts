import { toHex } from '../../src/codec/index.ts';

/** How a text may be found in a log: as it is, in hex, base64, or as a list of bytes. */
export function formsOf(text: string): readonly string[] {
  const bytes = new TextEncoder().encode(text);
  return [
    text,
    toHex(bytes).slice(2),
    // Of any three bytes that it may be cut at.
    ...[0, 1, 2].map((cut) => Buffer.from(text.slice(cut)).toString('base64').slice(0, 32)),
    [...bytes].slice(0, 8).join(','),
  ];
}
