import { MsgHdrsImpl, type Msg, type MsgHdrs } from '@nats-io/transport-node';
import { RelayError } from '../../errors/index.ts';

/** What is to be stored in a stream. */
export interface Publication {
  readonly subject: string;
  readonly data?: Uint8Array;
  readonly headers: Readonly<Record<string, string>>;
}

export type Published =
  /** `isDuplicate`: its key is that of an earlier message, which has the sequence. */
  | { readonly sequence: number; readonly isDuplicate: boolean }
  /** What the headers expect is not so. */
  | { readonly refused: 'conflict' }
  /** There is no room in the stream, the account or on the disk. */
  | { readonly refused: 'full'; readonly reason: string };

export interface PubAck {
  readonly seq?: number;
  readonly duplicate?: boolean;
  /** Of a batch: messages that were stored. */
  readonly count?: number;
  readonly error?: { readonly code: number; readonly err_code: number; readonly description: string };
}

/** Headers by which JetStream decides whether it takes a message. */
export const expectHeaders = {
  lastSequence: 'Nats-Expected-Last-Subject-Sequence',
  ofSubject: 'Nats-Expected-Last-Subject-Sequence-Subject',
} as const;

/** How long one attempt waits for its answer, ms. */
export const attemptMs = 2_500;

/** err_code of JetStream. */
export const codes = {
  /** Wrong last sequence of a subject; a message with the same key is under way. */
  conflict: new Set([10071, 10158, 10164]),
  /** No resources; none left to the account; no storage; the stream's own limit. */
  full: new Set([10002, 10023, 10047, 10077]),
  /** An atomic batch has a message that the stream has. */
  batchHasDuplicate: 10201,
};

/** Text: why it should be tried again. Throws mail-store-failed for what would be refused again. */
export function readAck({ seq, duplicate = false, error }: PubAck): Published | string {
  if (error === undefined)
    return seq === undefined ? 'the answer has no sequence' : { sequence: seq, isDuplicate: duplicate };
  const { code, err_code: number, description: reason } = error;
  if (codes.conflict.has(number)) return { refused: 'conflict' };
  if (codes.full.has(number)) return { refused: 'full', reason };
  // No leader at the moment, or too much at once.
  if (code === 503) return reason;
  throw new RelayError('mail-store-failed', { details: { action: 'write', reason } });
}

/** The names are ours and right: they need no check. */
export function toHeaders(fields: Readonly<Record<string, string>>): MsgHdrs {
  const made = new MsgHdrsImpl();
  for (const name in fields) made.headers.set(name, [fields[name] ?? '']);
  return made;
}

export function parseAck(message: Msg | undefined): PubAck {
  return message?.json<PubAck>() ?? {};
}
