import { Reader, type Writer } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';

/*
 * Frames of /v1/ws: one binary WebSocket message each, a type byte, then SCALE. docs/relay.md tells what they mean.
 * `id` is chosen by the client and comes back in the one answer to the request; 0 is not a request's id.
 */

/**
 * What a relay may be asked: 1, or 2 with await-delivered and forget. A client names the version that it would like as `frames` in
 * the query; the hello says which it is. One that names none is taken to know 1 only.
 */
export type FrameVersion = 1 | 2;
export const newestFrames: FrameVersion = 2;

/** Bytes of a `send` or `delivery` frame beside its SignedEnvelope, at most. */
export const frameOverhead = 16;

/** A whole frame. Throws truncated, trailing-bytes, and what `read` throws. */
export function readFrame<T>(bytes: Uint8Array, read: (reader: Reader, type: number) => T): T {
  const reader = new Reader(bytes, 'The frame', true);
  const frame = read(reader, reader.u8());
  reader.end();
  return frame;
}

export function writeText(writer: Writer, value: string): Writer {
  return writer.bytes(new TextEncoder().encode(value));
}

/** Throws non-canonical for what is no UTF-8. */
export function readText(reader: Reader): string {
  // A leading U+FEFF is text like any other.
  const bytes = reader.bytes();
  try {
    return new TextDecoder('utf-8', { ignoreBOM: true, fatal: true }).decode(bytes);
  } catch (cause) {
    throw new RelayError('non-canonical', { details: { what: 'A text of the frame' }, cause });
  }
}
