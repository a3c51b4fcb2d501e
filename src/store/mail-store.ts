import type { Hex } from '../codec/index.ts';
import { checkValue, type RelayError } from '../errors/index.ts';
import { checkTimer } from '../signals/index.ts';
import type { Origin } from './mail-quota.ts';

/** One message in a mailbox. */
export interface Mail {
  /** Grows per recipient, for ever: across acknowledgements and restarts. */
  readonly cursor: bigint;
  readonly messageId: Hex;
  /** Unix time, ms, by the store's clock. */
  readonly storedAt: number;
  /** As appended. */
  readonly bytes: Uint8Array;
}

export interface Appended {
  /** Of this message, or of the first append of it. */
  readonly cursor: bigint;
  readonly duplicate: boolean;
}

/** What a store knows of a message that was appended to a mailbox. */
export interface Whereabouts {
  /** Whether the mailbox's owner has acknowledged it. */
  readonly isAcknowledged: boolean;
  /** undefined: the store does not tell. */
  readonly cursor: bigint | undefined;
}

export interface ReadLimit {
  /** Most messages. Default 256. */
  readonly count?: number;
  /** Stops after the message that reaches this many bytes. Default 1 MiB. */
  readonly bytes?: number;
  /**
   * Also gives what is on its way to the disk, where the store has it: it may be gone after a power cut, its cursor is not
   * given again. Default false.
   */
  readonly early?: boolean;
}

export interface MailboxStats {
  /** Unacknowledged messages. */
  readonly count: number;
  /** Of the unacknowledged messages. */
  readonly bytes: number;
  /** Nothing up to here comes any more; 0n: none yet. */
  readonly acknowledged: bigint;
  /** Messages to come have greater cursors; 0n: none yet. */
  readonly last: bigint;
}

export interface MailStoreTotals {
  /** Mailboxes with unacknowledged messages; a store may count one for a while after that. */
  readonly recipients: number;
  /** Mailboxes, counted for each sender that has messages there which were appended with `Origin.maxBoxes`. */
  readonly replyBoxes: number;
  /** Unacknowledged messages. */
  readonly count: number;
  /** Of these; a store that knows only what it occupies on disk tells that. */
  readonly bytes: number;
}

/**
 * Told of what fails while nobody waits for it: a sweep, a look for other readers. Default: a warning of the process.
 */
export type BackgroundFailure = (error: RelayError) => void;

export function warnOfFailure(error: RelayError): void {
  process.emitWarning(error);
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;

export interface MailTimes {
  readonly retentionMs?: number;
  readonly dedupeMs?: number;
  readonly sweepIntervalMs?: number;
}

export const defaultTimes = { retentionMs: 30 * 24 * hourMs, dedupeMs: 25 * hourMs, sweepIntervalMs: 10 * minuteMs };

/** Throws bad-value. */
export function checkMailTimes(times: MailTimes): void {
  const { retentionMs, dedupeMs, sweepIntervalMs } = { ...defaultTimes, ...times };
  checkValue('retentionMs', retentionMs >= 0, '0 or more');
  checkValue('dedupeMs', dedupeMs >= 0, '0 or more');
  checkTimer('sweepIntervalMs', sweepIntervalMs);
}

/**
 * Mailboxes by recipient: what is appended stays until it is acknowledged or its retention ends, and is never dropped
 * for want of room, but for answers that nobody fetches (`Origin.maxBoxes`).
 *
 * Every implementation passes test/store/mail-store.compliance.ts.
 */
export interface MailStore extends AsyncDisposable {
  /** 16 bytes, made with the store: cursors of another generation mean nothing here. */
  readonly generation: Hex;
  /** How long message ids are known, ms. */
  readonly dedupeMs: number;
  /** Resolves with why the store can not be used any more, where nobody closed it. Default: that does not happen. */
  readonly ended?: Promise<RelayError>;
  /**
   * Resolves when the message is durable. A `messageId` that was appended within the dedupe window (acknowledged or
   * not) is not stored again. Where the sender of `origin` has messages in as many mailboxes as it may, those that it has in
   * the oldest of them are deleted. Throws mailbox-full, reply-boxes-full where that could not be; then nothing was stored;
   * mail-store-failed, then it may be stored all the same where the store is another machine's: appending it
   * again tells. Without `origin` the mailbox is full when all of it is, whoever filled it. `sentAt`: a time that is the same whenever an id is appended, ms, as the one of the header
   * that the id is made of (protocol.md §5); ids are kept by it. Default 0.
   */
  append(recipient: Hex, messageId: Hex, bytes: Uint8Array, origin?: Origin, sentAt?: number): Promise<Appended>;
  /** Unacknowledged messages after a cursor, oldest first. Throws bad-value. */
  read(recipient: Hex, after: bigint, limit?: ReadLimit): Promise<Mail[]>;
  /** Deletes all messages up to and including the cursor; resolves when that is durable. Idempotent. Throws bad-value. */
  ack(recipient: Hex, upTo: bigint): Promise<void>;
  stats(recipient: Hex): Promise<MailboxStats>;
  /**
   * Of a message appended to this mailbox with this id and `sentAt`; undefined: the store is sure to know none, which it is no
   * more once the id is forgotten. What its retention has ended is not acknowledged.
   */
  find(recipient: Hex, messageId: Hex, sentAt: number): Promise<Whereabouts | undefined>;
  /**
   * Calls `told` after acknowledgements of a mailbox, by whichever process, until the returned function is called. `upTo`:
   * cursor; undefined: not known. One that another process made may be told of late, or twice.
   */
  onAcknowledged(recipient: Hex, told: (upTo: bigint | undefined) => void): () => void;
  totals(): Promise<MailStoreTotals>;
  /**
   * Whether a message could be stored now: writes one of 64 KiB that belongs to nobody. Throws mailbox-full where that has no
   * room beside what all mailboxes hold, mail-store-failed.
   */
  check(): Promise<void>;
  /** Those with unacknowledged messages. */
  recipients(): AsyncIterable<Hex>;
  /** Calls `wake` after appends to a mailbox, and where they can be read early, until the returned function is called. */
  subscribe(recipient: Hex, wake: () => void): () => void;
  /**
   * Makes the caller the one who reads the mailbox, until the returned function is called. `lost` is called once, when a
   * later claim is made, by whichever process has the store open.
   */
  claim(recipient: Hex, lost: () => void): Promise<() => void>;
  /** Ends the retention of what is too old and forgets old message ids; also runs by itself now and then. */
  sweep(): Promise<{ readonly expired: number }>;
  /** Resolves when what was appended before is settled. Idempotent. */
  close(): Promise<void>;
}
