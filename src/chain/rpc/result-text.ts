const encoder = new TextEncoder();
const begin = encoder.encode('{"jsonrpc":"2.0","id":');
const beforeResult = encoder.encode(',"result":');
const zero = 0x30;
const closingBrace = 0x7d;
/** Ids of longer than that are none of ours. */
const maxDigits = 15;

/**
 * The id and the text of the result of a frame that is written as Substrate nodes write answers; undefined for any other.
 * Whether the result is JSON, and the frame ends with it, is for who reads it to find out.
 */
export function resultText(frame: Uint8Array): { readonly id: number; readonly result: Uint8Array } | undefined {
  if (!standsAt(frame, 0, begin)) return undefined;
  let id = 0;
  let at = begin.length;
  for (const end = at + maxDigits; at < end; at++) {
    const digit = (frame[at] ?? 0) - zero;
    if (digit < 0 || digit > 9) break;
    id = 10 * id + digit;
  }
  if (at === begin.length || !standsAt(frame, at, beforeResult)) return undefined;
  const last = frame.length - 1;
  return frame[last] === closingBrace ? { id, result: frame.subarray(at + beforeResult.length, last) } : undefined;
}

/** Whether these bytes are there. */
export function standsAt(bytes: Uint8Array, at: number, wanted: Uint8Array): boolean {
  for (let i = 0; i < wanted.length; i++) if (bytes[at + i] !== wanted[i]) return false;
  return true;
}
