import { RelayError } from '../errors/index.ts';
import { Reader } from './reader.ts';
import { Writer } from './writer.ts';

/** SCALE of Vec<Bytes>: SignedEnvelopes, each as its own SCALE (protocol.md §8). */
export function encodeMessageBatch(messages: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer().compactLength(messages.length);
  for (const message of messages) writer.bytes(message);
  return writer.finish();
}

/** Up to `max` messages, which are not looked into. Throws batch-too-large, truncated, trailing-bytes or non-canonical. */
export function decodeMessageBatch(bytes: Uint8Array, max: number): readonly Uint8Array[] {
  const reader = new Reader(bytes, 'A batch');
  const size = reader.compactLength();
  if (size > max) throw new RelayError('batch-too-large', { details: { size, max } });
  const messages = Array.from({ length: size }, () => reader.bytes());
  reader.end();
  return messages;
}
