import { RelayError } from '../../errors/index.ts';
import type { Hex } from '../../codec/index.ts';
import type { Answer } from '../rpc/connection.ts';
import { standsAt } from '../rpc/frame.ts';
import { RawText } from '../rpc/raw-text.ts';
import { hexDigits } from '../storage/fast-hex.ts';
import type { ProofsModule } from '../trie/proofs-module.ts';
import type { HeaderLinks } from './header-links.ts';

const ascii = new TextEncoder();
const beforeParent = ascii.encode('{"parentHash":"0x');
const beforeNumber = ascii.encode('","number":"0x');
const beforeState = ascii.encode('","stateRoot":"0x');
const beforeExtrinsics = ascii.encode('","extrinsicsRoot":"0x');
const beforeLogs = ascii.encode('","digest":{"logs":[');
const behindLogs = ascii.encode(']}}');
const beforeItem = ascii.encode('"0x');
const quote = 0x22;
const comma = 0x2c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const hashLength = 32;
const digitsOfHash = 2 * hashLength;
/** Of a number of four bytes in SCALE. */
const maxNumber = 2 ** 30 - 1;
const maxNumberDigits = 8;
/** More digest items than a header has; their number is one byte in SCALE then. */
const maxItems = 63;

/** Keeps the text of a header as Substrate nodes write it, read no further; undefined for anything else, which JSON may read. */
export function headerText(result: RawText): RawText | undefined {
  return standsAt(result.frame, result.start, beforeParent) ? result : undefined;
}

/** A header that may have been kept as a text, as JSON. Throws rpc-failed. */
export function headerIn(result: unknown): unknown {
  if (!(result instanceof RawText)) return result;
  try {
    return JSON.parse(String(result));
  } catch (cause) {
    const reason = 'its answer makes no sense: it is no JSON';
    throw new RelayError('rpc-failed', { details: { method: 'chain_getHeader', reason }, cause });
  }
}

/**
 * Puts headers that were kept as texts into `links`, from the place `first` on, where they hash to `hashes`; all at once: an object
 * and strings for each cost several times as much as its hash. What they say is read from the bytes that were hashed. None is put
 * where one is written otherwise.
 */
export function putLinks(
  links: HeaderLinks,
  first: number,
  answers: readonly (Answer | RelayError)[],
  hashes: readonly Hex[],
  module: ProofsModule,
): void {
  const list = listOfEncoded(answers);
  const hashed = list && module.nodesIn(list);
  if (hashed?.ends.length !== hashes.length) return;
  const { bytes, ends } = hashed;
  const digits = hexDigits(hashed.hashes);
  hashes.forEach((hash, i) => {
    if (!digits.startsWith(hash.slice(2), digitsOfHash * i)) return;
    const parentAt = ends[i - 1] ?? 0;
    const numberAt = parentAt + hashLength;
    const rootAt = numberAt + (1 << ((bytes[numberAt] ?? 0) & 3));
    links.put(first + i, { bytes: hashed.hashes, at: hashLength * i }, { bytes, at: parentAt }, { bytes, at: rootAt });
  });
}

/** The text of a JSON list of the SCALE encodings; undefined where one can not be written so. */
function listOfEncoded(answers: readonly (Answer | RelayError)[]): Uint8Array | undefined {
  const texts: RawText[] = [];
  let length = 1;
  for (const answer of answers) {
    if (answer instanceof RelayError || !(answer.result instanceof RawText)) return undefined;
    texts.push(answer.result);
    // Names of fields take more than what stands between encodings.
    length += answer.result.length;
  }
  const list = new Uint8Array(length);
  let at = 0;
  for (const text of texts) {
    list[at] = at === 0 ? openBracket : comma;
    at = encode(text, list, at + 1);
    if (at < 0) return undefined;
  }
  list[at] = closeBracket;
  return list.subarray(0, at + 1);
}

/** Writes the digits of the encoding as a JSON string; gives where it ends, -1 for a text that is written otherwise. */
function encode({ frame, start, end }: RawText, list: Uint8Array, to: number): number {
  const parentAt = start + beforeParent.length;
  const numberAt = parentAt + digitsOfHash + beforeNumber.length;
  const numberEnd = quoteIn(frame, numberAt, numberAt + maxNumberDigits + 1);
  const stateAt = numberEnd + beforeState.length;
  const extrinsicsAt = stateAt + digitsOfHash + beforeExtrinsics.length;
  const logsAt = extrinsicsAt + digitsOfHash + beforeLogs.length;
  const logsEnd = end - behindLogs.length;
  const number = numberIn(frame, numberAt, numberEnd);
  const isUsual =
    number >= 0 &&
    logsAt <= logsEnd &&
    standsAt(frame, start, beforeParent) &&
    standsAt(frame, numberAt - beforeNumber.length, beforeNumber) &&
    standsAt(frame, numberEnd, beforeState) &&
    standsAt(frame, extrinsicsAt - beforeExtrinsics.length, beforeExtrinsics) &&
    standsAt(frame, logsAt - beforeLogs.length, beforeLogs) &&
    standsAt(frame, logsEnd, behindLogs);
  if (!isUsual) return -1;
  let at = copy(beforeItem, 0, beforeItem.length, list, to);
  at = copy(frame, parentAt, parentAt + digitsOfHash, list, at);
  at = writeCompact(list, at, number);
  at = copy(frame, stateAt, stateAt + digitsOfHash, list, at);
  at = copy(frame, extrinsicsAt, extrinsicsAt + digitsOfHash, list, at);
  const countAt = at;
  at += 2;
  let items = 0;
  for (let from = logsAt; from < logsEnd; items++) {
    if (items > 0 && frame[from++] !== comma) return -1;
    if (items === maxItems || !standsAt(frame, from, beforeItem)) return -1;
    const itemAt = from + beforeItem.length;
    const itemEnd = quoteIn(frame, itemAt, logsEnd);
    // An item of nothing is none.
    if (itemEnd <= itemAt) return -1;
    at = copy(frame, itemAt, itemEnd, list, at);
    from = itemEnd + 1;
  }
  writeCompact(list, countAt, items);
  list[at] = quote;
  return at + 1;
}

/** Of some tens of bytes: a view for each takes longer. */
function copy(source: Uint8Array, from: number, end: number, target: Uint8Array, to: number): number {
  let at = to;
  for (let i = from; i < end; i++) target[at++] = source[i] ?? 0;
  return at;
}

/** Where the first quote between two places is; -1 where there is none. */
function quoteIn(bytes: Uint8Array, from: number, end: number): number {
  for (let at = from; at < end; at++) if (bytes[at] === quote) return at;
  return -1;
}

/** The hex number between two places; -1 for what is none, or is too large. */
function numberIn(text: Uint8Array, from: number, to: number): number {
  if (to <= from || to - from > maxNumberDigits) return -1;
  let number = 0;
  for (let at = from; at < to; at++) {
    const digit = valueOf(text[at] ?? 0);
    if (digit < 0) return -1;
    number = 16 * number + digit;
  }
  return number > maxNumber ? -1 : number;
}

/** SCALE of a compact number, as digits. */
function writeCompact(list: Uint8Array, at: number, number: number): number {
  const mode = number < 2 ** 6 ? 0 : number < 2 ** 14 ? 1 : 2;
  let rest = number * 4 + mode;
  const end = at + 2 * (1 << mode);
  for (let to = at; to < end; to += 2) {
    list[to] = digitOf((rest >>> 4) & 15);
    list[to + 1] = digitOf(rest & 15);
    rest >>>= 8;
  }
  return end;
}

/** Of the code of a hex digit; -1 for any other. */
function valueOf(code: number): number {
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  const letter = code | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

function digitOf(value: number): number {
  return value + (value < 10 ? 0x30 : 0x57);
}
