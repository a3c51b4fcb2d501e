import { Reader } from '../../codec/index.ts';
import { isRelayError } from '../../errors/index.ts';

/** URLs of one worker that are read; whoever owns a worker may publish millions of strings. */
const maxUrls = 64;
/** Bytes of one string that are read; a longer one is no URL that anything here would dial. */
const maxStringBytes = 2_048;
/** ECDH records of one worker that count: the last of them (protocol.md §7). */
const maxRecords = 8;

const recordPrefix = new TextEncoder().encode('ecdh:');
const none: readonly string[] = [];

/**
 * `VersionedWorkerEndpoints`, in order: the first 64 URLs and the last 8 ECDH records, none longer than 2048 bytes.
 * Bytes that are not UTF-8 are replaced; bytes that can't be decoded further end the list.
 */
export function decodeEndpoints(bytes: Uint8Array): readonly string[] {
  if (bytes[0] !== 0) return none;
  const urls: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  const records: { readonly at: number; readonly bytes: Uint8Array }[] = [];
  try {
    const reader = new Reader(bytes, 'VersionedWorkerEndpoints');
    reader.u8();
    const count = reader.compactLength();
    for (let at = 0; at < count; at++) {
      const text = reader.bytes();
      if (text.length > maxStringBytes) continue;
      if (recordPrefix.every((byte, i) => text[i] === byte)) {
        records.push({ at, bytes: text });
        if (records.length > maxRecords) records.shift();
      } else if (urls.length < maxUrls) urls.push({ at, bytes: text });
    }
  } catch (error) {
    // One worker's garbage must not stop the reading of all the others.
    if (!isRelayError(error)) throw error;
  }
  if (urls.length + records.length === 0) return none;
  const decoder = new TextDecoder();
  return [...urls, ...records].sort((a, b) => a.at - b.at).map(({ bytes: text }) => decoder.decode(text));
}
