import { Reader, Writer } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';

/** URLs of one worker that are read; whoever owns a worker may publish millions of strings. */
const maxUrls = 64;
/** Bytes of one string that are read; a longer one is no URL that anything here would dial. */
const maxStringBytes = 2_048;
/** ECDH records of one worker that count: the last of them (protocol.md §7). */
const maxRecords = 8;
/** Lists up to this size are kept as they are and cut when they are decoded. */
const smallList = 4_096;

const recordPrefix = new TextEncoder().encode('ecdh:');
const none: readonly string[] = [];

/** Variant of a list that {@link boundEndpoints} cut; none of the chain's. */
const cutVariant = 255;

/** Making one takes as long as what it decodes. */
const decoder = new TextDecoder();
const strictDecoder = new TextDecoder('utf-8', { fatal: true });
/** Stands in a text for bytes that are not UTF-8, unless it was there already. */
const replacement = '\ufffd';

/** What is read of a list, and what is not. */
interface ReadList {
  readonly texts: readonly Uint8Array[];
  /** Strings beyond the bounds. */
  readonly leftOut: number;
  /** Whether bytes could not be decoded, from which on nothing is read. */
  readonly isDamaged: boolean;
}

const emptyList: ReadList = { texts: [], leftOut: 0, isDamaged: false };

/** What is read of a list, and what is wrong with it, in words, by a name of the fault. */
export interface EndpointTexts {
  readonly texts: readonly string[];
  readonly faults: ReadonlyMap<string, string>;
}

const noFaults: ReadonlyMap<string, string> = new Map();

/**
 * The list that {@link boundEndpoints} keeps, in order: the first 64 URLs and the last 8 ECDH records, none longer than
 * 2048 bytes. Bytes that are not UTF-8 are replaced; bytes that can't be decoded further end the list.
 */
export function readEndpoints(bounded: Uint8Array): EndpointTexts {
  const list = boundedList(bounded);
  const texts = list.texts.length === 0 ? none : list.texts.map((text) => decoder.decode(text));
  const isText = texts.every((text, i) => !text.includes(replacement) || isUtf8(list.texts[i]));
  if (isText && list.leftOut === 0 && !list.isDamaged) return { texts, faults: noFaults };
  const faults = new Map<string, string>();
  if (list.isDamaged) faults.set('endpoints damaged', 'its list of endpoints can not be decoded to its end');
  if (list.leftOut > 0) {
    const bounds = `the first ${maxUrls} URLs and the last ${maxRecords} ECDH records are read, none longer than ${maxStringBytes} bytes`;
    faults.set('endpoints left out', `${list.leftOut} string(s) of its list of endpoints are left out: ${bounds}`);
  }
  if (!isText) faults.set('endpoints not text', 'its list of endpoints has bytes that are not UTF-8');
  return { texts, faults };
}

function isUtf8(text: Uint8Array | undefined): boolean {
  try {
    strictDecoder.decode(text);
    return true;
  } catch {
    return false;
  }
}

/**
 * Of a value in `Endpoints`: what {@link readEndpoints} reads, at most some 150 kB. Never
 * empty, so that a list without endpoints differs from none.
 */
export function boundEndpoints(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === 0 && bytes.length <= smallList) return bytes;
  const { texts, leftOut, isDamaged } = chainList(bytes);
  const writer = new Writer()
    .u8(cutVariant)
    .u32(leftOut)
    .u8(isDamaged ? 1 : 0);
  writer.compactLength(texts.length);
  for (const text of texts) writer.bytes(text);
  return writer.finish();
}

/** Longest by which a bounded list exceeds the one on chain. */
export const boundsOverhead = 16;

/** As {@link boundEndpoints} of the bytes between two places, written there; gives where it ends. */
export function boundInPlace(bytes: Uint8Array, start: number, end: number): number {
  const length = end - start;
  if (length > 0 && bytes[start] === 0 && length <= smallList) return end;
  const bounded = boundEndpoints(bytes.subarray(start, end));
  bytes.set(bounded, start);
  return start + bounded.length;
}

/** Whether it holds nothing but ASCII URLs within the bounds: cheap, and true of nearly all. */
export function isPlainList(bounded: Uint8Array, start = 0, listEnd = bounded.length): boolean {
  if (listEnd === start) return true;
  if (listEnd - start < 2) return false;
  const count = bounded[start + 1] ?? 1;
  if (bounded[start] !== 0 || (count & 3) !== 0 || count >> 2 > maxUrls) return false;
  let at = start + 2;
  for (let left = count >> 2; left > 0; left--) {
    const low = bounded[at] ?? 3;
    if ((low & 3) > 1) return false;
    const isShort = (low & 3) === 0;
    const length = isShort ? low >> 2 : (low | ((bounded[at + 1] ?? 0) << 8)) >> 2;
    at += isShort ? 1 : 2;
    const end = at + length;
    if (length > maxStringBytes || end > listEnd || beginsRecord(bounded, at)) return false;
    for (; at < end; at++) if ((bounded[at] ?? 0) > 127) return false;
  }
  return at === listEnd;
}

function boundedList(bounded: Uint8Array): ReadList {
  if (bounded.length === 0) return emptyList;
  if (bounded[0] !== cutVariant) return chainList(bounded);
  try {
    const reader = new Reader(bounded, 'A cut list of endpoints', true);
    reader.u8();
    const leftOut = reader.u32();
    const isDamaged = reader.u8() === 1;
    return { leftOut, isDamaged, texts: Array.from({ length: reader.compactLength() }, () => reader.bytes()) };
  } catch (error) {
    // Out of a store that was damaged.
    if (!isRelayError(error)) throw error;
    return { ...emptyList, isDamaged: true };
  }
}

/** `VersionedWorkerEndpoints`. */
function chainList(bytes: Uint8Array): ReadList {
  if (bytes[0] !== 0) return { ...emptyList, isDamaged: true };
  const urls: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const records: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  let read = 0;
  let isDamaged = false;
  try {
    const reader = new Reader(bytes, 'VersionedWorkerEndpoints', true);
    reader.u8();
    const count = reader.compactLength();
    for (; read < count; read++) {
      const text = reader.bytes();
      if (text.length > maxStringBytes) continue;
      if (beginsRecord(text, 0)) {
        records.push({ at: read, bytes: text });
        if (records.length > maxRecords) records.shift();
      } else if (urls.length < maxUrls) urls.push({ at: read, bytes: text });
    }
    reader.end();
  } catch (error) {
    // One worker's garbage must not stop the reading of all the others.
    if (!isRelayError(error)) throw error;
    isDamaged = true;
  }
  const texts = [...urls, ...records].sort((a, b) => a.at - b.at).map((each) => each.bytes);
  return { texts, leftOut: read - texts.length, isDamaged };
}

function beginsRecord(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < recordPrefix.length; i++) if (bytes[at + i] !== recordPrefix[i]) return false;
  return true;
}
