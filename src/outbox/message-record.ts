import { fromHex, Reader, toBytes, toHex, topicOf, Writer, type Hex } from '../codec/index.ts';
import { checkValue, isBigint, isErrorCode, RelayError, type ErrorDetails } from '../errors/index.ts';
import type { Carried } from './off-chain-carrier.ts';
import type { Posted, SendStatus, Suite } from './outbox.ts';

/** All but the body: what the queue says of a message. */
export interface MessageRecord {
  readonly suite: Suite;
  /** The recipient's id; of suite phala the topic, of whatever length. */
  readonly to: Hex;
  readonly as: 'worker' | 'account';
  readonly via: 'chain' | 'relay' | 'auto';
  readonly nonce: bigint;
  /** Unix time, ms. */
  readonly queuedAt: number;
  /** Of the body, encoded; of suite phala of the whole payload. */
  readonly bodyBytes: number;
  /** In the smallest unit. */
  readonly maxFee: bigint | undefined;
  /** Sealed from a key made for it. */
  readonly freshKey: boolean;
  /** Whether its recipient's word that it was read is waited for. */
  readonly readReceipt: boolean;
  /** Whether the word that it was delivered is waited for. */
  readonly deliveryReceipt: boolean;
  /** Of as account: the one that sends it. undefined where an earlier version queued it. */
  readonly account?: Hex | undefined;
  readonly progress: Progress;
}

/** Of suite v1 that of the recipient. */
export function topicOfMessage({ suite, to }: Pick<MessageRecord, 'suite' | 'to'>): Uint8Array {
  return suite === 'phala' ? fromHex(to) : topicOf(to);
}

export type Progress =
  | { readonly state: 'queued' }
  /** In an extrinsic that was handed to a node, or signed as a worker's: it may come in. */
  | { readonly state: 'submitted'; readonly messageId: Hex }
  | (Posted & { readonly state: 'inBlock' | 'finalized'; readonly messageId: Hex })
  | (Carried & { readonly state: 'relayed'; readonly messageId: Hex })
  | { readonly state: 'failed'; readonly error: RelayError };

export const senders = ['worker', 'account'] as const;
const suites = ['v1', 'phala'] as const;
export const ways = ['chain', 'relay', 'auto'] as const;
const states = ['queued', 'submitted', 'inBlock', 'finalized', 'relayed', 'failed'] as const;
const carriedStatuses = ['stored', 'delivered', 'duplicate', 'forwarded'] as const;
// In one byte with the sender.
const freshKeyFlag = 2;
const readReceiptFlag = 4;
const deliveryReceiptFlag = 8;
const allFlags = freshKeyFlag | readReceiptFlag | deliveryReceiptFlag;
const noLimit = (1n << 64n) - 1n;

/** Of what a record can hold beside no limit at all. Throws bad-value. */
export function checkMaxFee(maxFee: bigint | undefined): void {
  const isFee = maxFee === undefined || (isBigint(maxFee) && maxFee >= 0n && maxFee < noLimit);
  checkValue('maxFee', isFee, 'a bigint from 0 to 2^64 - 2');
}

export function encodeRecord(record: MessageRecord): Uint8Array {
  const { suite, to, as, via, nonce, queuedAt, bodyBytes, maxFee, account, progress } = record;
  checkMaxFee(maxFee);
  const writer = new Writer(160)
    .u8(suites.indexOf(suite))
    .bytes(fromHex(to))
    .u8(senders.indexOf(as) | flagsOf(record))
    .u8(ways.indexOf(via))
    .u64(nonce)
    .u64(queuedAt)
    .u32(bodyBytes)
    .u64(maxFee ?? noLimit)
    .u8(states.indexOf(progress.state));
  if ('messageId' in progress) writer.raw(toBytes(progress.messageId, 'messageId', 32));
  if ('blockHash' in progress) {
    const { blockNumber, blockHash, isOutcomeUnknown = false } = progress;
    writer
      .u32(blockNumber)
      .raw(toBytes(blockHash, 'blockHash', 32))
      .u8(isOutcomeUnknown ? 1 : 0);
  }
  if (progress.state === 'relayed')
    writer.u8(carriedStatuses.indexOf(progress.status)).bytes(new TextEncoder().encode(progress.endpoint));
  if (progress.state === 'failed') {
    const { code, details = {} } = progress.error;
    writer.bytes(new TextEncoder().encode(JSON.stringify([code, details], plain)));
  }
  if (account !== undefined) writer.raw(toBytes(account, 'account', 32));
  return writer.finish();
}

export function decodeRecord(bytes: Uint8Array): MessageRecord {
  const reader = new Reader(bytes, 'A queued message');
  const suite = pick(suites, reader);
  const to = toHex(reader.bytes());
  const sender = reader.u8();
  const as = senders[sender & 1];
  if (as === undefined || sender > (1 | allFlags)) throw reader.unknownVariant(sender);
  const via = pick(ways, reader);
  const nonce = reader.u64();
  const queuedAt = Number(reader.u64());
  const bodyBytes = reader.u32();
  const limit = reader.u64();
  const progress = readProgress(reader);
  const account = reader.offset < bytes.length ? toHex(reader.fixed(32)) : undefined;
  reader.end();
  const maxFee = limit === noLimit ? undefined : limit;
  const asked = {
    freshKey: (sender & freshKeyFlag) !== 0,
    readReceipt: (sender & readReceiptFlag) !== 0,
    deliveryReceipt: (sender & deliveryReceiptFlag) !== 0,
  };
  return { suite, to, as, via, nonce, queuedAt, bodyBytes, maxFee, ...asked, account, progress };
}

function flagsOf({ freshKey, readReceipt, deliveryReceipt }: MessageRecord): number {
  return (
    (freshKey ? freshKeyFlag : 0) | (readReceipt ? readReceiptFlag : 0) | (deliveryReceipt ? deliveryReceiptFlag : 0)
  );
}

function readProgress(reader: Reader): Progress {
  const state = pick(states, reader);
  switch (state) {
    case 'queued':
      return { state };
    case 'submitted':
      return { state, messageId: toHex(reader.fixed(32)) };
    case 'inBlock':
    case 'finalized': {
      const messageId = toHex(reader.fixed(32));
      const posted = { blockNumber: reader.u32(), blockHash: toHex(reader.fixed(32)) };
      return { state, messageId, ...posted, ...(reader.u8() === 1 && { isOutcomeUnknown: true as const }) };
    }
    case 'relayed': {
      const messageId = toHex(reader.fixed(32));
      return { state, messageId, status: pick(carriedStatuses, reader), endpoint: utf8(reader.bytes()) };
    }
    case 'failed':
      return { state, error: readError(reader.bytes()) };
  }
}

function readError(bytes: Uint8Array): RelayError {
  const [code, details] = JSON.parse(utf8(bytes)) as [string, ErrorDetails];
  if (isErrorCode(code)) return new RelayError(code, { details });
  return new RelayError('outbox-setback', { details: { reason: code } });
}

function pick<T>(values: readonly T[], reader: Reader): T {
  const index = reader.u8();
  const value = values[index];
  if (value === undefined) throw reader.unknownVariant(index);
  return value;
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

function plain(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}

/** For a way, or for a word of what became of it there. */
export function isWaiting({ record }: { readonly record: Pick<MessageRecord, 'progress'> }): boolean {
  const { state } = record.progress;
  return state === 'queued' || state === 'submitted';
}

export function isFinished({ state }: SendStatus): boolean {
  return state === 'finalized' || state === 'relayed' || state === 'failed';
}
