import { RelayError } from '../errors/index.ts';
import { concatBytes } from './bytes.ts';
import { toBytes, type BytesLike } from './hex.ts';
import { Writer } from './writer.ts';

const topicPrefix = new TextEncoder().encode('khala-relay/v1/');

/** Topic of the messages to an entity: 47 bytes (protocol.md §10). */
export function topicOf(id: BytesLike): Uint8Array {
  return concatBytes(topicPrefix, toBytes(id, 'id', 32));
}

/** First bytes that the chain reserves: it refuses a worker's message to such a topic, and an account's vanishes. */
const reservedTopicBytes: ReadonlySet<number> = new Set(new TextEncoder().encode("~!@#$%&*_+-=|<>?,./;:'"));
/** First byte of topics for pallets only: the chain takes a message, and never lets it out. */
const onChainTopicByte = 0x5e;

/** Refuses a topic that the chain takes and drops without a word. Throws bad-topic. */
export function refuseBadTopic(topic: Uint8Array): void {
  const [first] = topic;
  if (first === undefined) throw new RelayError('bad-topic', { details: { reason: 'it is empty' } });
  if (!isWellFormedTopic(topic) || first === onChainTopicByte)
    throw new RelayError('bad-topic', { details: { reason: `it begins with the reserved byte ${first}` } });
}

/** Whether the chain takes a worker's message to this topic, be it let out or not. */
export function isWellFormedTopic([first]: Uint8Array): boolean {
  return first !== undefined && !reservedTopicBytes.has(first);
}

const workerOrigin = 2;

export interface WorkerMessage {
  /** IdentityKey of the sending worker. */
  readonly worker: BytesLike;
  readonly destination: Uint8Array;
  readonly payload: Uint8Array;
}

/** SCALE of `Message { sender: Worker(id), destination, payload }`. */
export function encodeWorkerMessage({ worker, destination, payload }: WorkerMessage): Uint8Array {
  return new Writer()
    .u8(workerOrigin)
    .raw(toBytes(worker, 'worker', 32))
    .bytes(destination)
    .bytes(payload)
    .finish();
}

/** What IdentityKey signs for `PhalaMq.syncOffchainMessage`: `SCALE(message ‖ sequence)`, unwrapped (protocol.md §10). */
export function workerMessageContent(message: WorkerMessage, sequence: bigint): Uint8Array {
  return new Writer().raw(encodeWorkerMessage(message)).u64(sequence).finish();
}
