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
const noBytes = new Uint8Array(0);

/**
 * `VersionedWorkerEndpoints`, in order: the first 64 URLs and the last 8 ECDH records, none longer than 2048 bytes.
 * Bytes that are not UTF-8 are replaced; bytes that can't be decoded further end the list.
 */
export function decodeEndpoints(bytes: Uint8Array): readonly string[] {
  if (bytes.length === 0) return none;
  const kept = keptOf(bytes);
  if (kept.length === 0) return none;
  const decoder = new TextDecoder();
  return kept.map((text) => decoder.decode(text));
}

/** An encoding that {@link decodeEndpoints} reads the same list from, of at most some 150 kB. Empty where it has nothing. */
export function boundEndpoints(bytes: Uint8Array): Uint8Array {
  if (bytes[0] !== 0 || bytes.length <= 2) return noBytes;
  if (bytes.length <= smallList) return bytes;
  const kept = keptOf(bytes);
  const writer = new Writer().u8(0).compactLength(kept.length);
  for (const text of kept) writer.bytes(text);
  return writer.finish();
}

/** Whether one of the strings may be an ECDH record: cheap, and never false where one is. */
export function mayHaveRecords(bytes: Uint8Array): boolean {
  const [first] = recordPrefix;
  for (let at = bytes.indexOf(first ?? 0); at !== -1; at = bytes.indexOf(first ?? 0, at + 1))
    if (beginsRecord(bytes, at)) return true;
  return false;
}

function keptOf(bytes: Uint8Array): readonly Uint8Array[] {
  if (bytes[0] !== 0) return [];
  const urls: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const records: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  try {
    const reader = new Reader(bytes, 'VersionedWorkerEndpoints', true);
    reader.u8();
    const count = reader.compactLength();
    for (let at = 0; at < count; at++) {
      const text = reader.bytes();
      if (text.length > maxStringBytes) continue;
      if (beginsRecord(text, 0)) {
        records.push({ at, bytes: text });
        if (records.length > maxRecords) records.shift();
      } else if (urls.length < maxUrls) urls.push({ at, bytes: text });
    }
  } catch (error) {
    // One worker's garbage must not stop the reading of all the others.
    if (!isRelayError(error)) throw error;
  }
  return [...urls, ...records].sort((a, b) => a.at - b.at).map((each) => each.bytes);
}

function beginsRecord(bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < recordPrefix.length; i++) if (bytes[at + i] !== recordPrefix[i]) return false;
  return true;
}
