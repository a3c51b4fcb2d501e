import { RelayError } from '../../errors/index.ts';
import type { Hex } from '../../codec/index.ts';

/*
 * One stream per shard of recipients; `R` is the recipient, `I` the message id, both 32 bytes in base64url:
 *   khala.NAME.SHARD.m.R.I   a message, until it is acknowledged   Khala-Mail: storedAt writer
 *   khala.NAME.SHARD.t.R.I   its tombstone, which keeps the id known  Khala-Mail: storedAt cursor
 *   khala.NAME.SHARD.s.R     the mailbox                           Khala-Mail: writtenAt acknowledged
 *   khala.NAME.SHARD.c.R     who reads it: the newest claim
 * A cursor is a message's sequence in its stream. Notices between processes are on khala.NAME.w.R and in no stream.
 */

/** Subjects of one shard. */
export interface ShardLayout {
  readonly stream: string;
  readonly subjects: string[];
  readonly mail: (recipient: Hex, id: Hex) => string;
  readonly tombstone: (recipient: Hex, id: Hex) => string;
  /** Message and tombstone of an id. */
  readonly everyFormOf: (recipient: Hex, id: Hex) => string;
  readonly allMailOf: (recipient: Hex) => string;
  readonly mailbox: (recipient: Hex) => string;
  readonly claim: (recipient: Hex) => string;
  readonly allMail: string;
  readonly allMailboxes: string;
}

const names = /^[A-Za-z0-9_-]{1,64}$/;
const shardBytes = 4;

/** Throws bad-value for a name that can not be part of a subject. */
export function checkStoreName(name: string): void {
  if (!names.test(name))
    throw new RelayError('bad-value', {
      details: { what: 'The name of a JetStream mail store', reason: 'it has other than 1 to 64 of A-Z a-z 0-9 _ -' },
    });
}

export function shardLayout(name: string, shard: number): ShardLayout {
  const root = `khala.${name}.${shard}`;
  return {
    stream: `KHALA_${name}_${shard}`,
    subjects: [`${root}.m.*.*`, `${root}.t.*.*`, `${root}.s.*`, `${root}.c.*`],
    mail: (recipient, id) => `${root}.m.${token(recipient)}.${token(id)}`,
    tombstone: (recipient, id) => `${root}.t.${token(recipient)}.${token(id)}`,
    everyFormOf: (recipient, id) => `${root}.*.${token(recipient)}.${token(id)}`,
    allMailOf: (recipient) => `${root}.m.${token(recipient)}.*`,
    mailbox: (recipient) => `${root}.s.${token(recipient)}`,
    claim: (recipient) => `${root}.c.${token(recipient)}`,
    allMail: `${root}.m.*.*`,
    allMailboxes: `${root}.s.*`,
  };
}

/** An identity is a public key: its bytes are as good as a hash. */
export function shardOf(recipient: Hex, shards: number): number {
  return Number.parseInt(recipient.slice(2, 2 + 2 * shardBytes), 16) % shards;
}

export function noticeSubject(name: string, recipient: Hex): string {
  return `khala.${name}.w.${token(recipient)}`;
}

export function allNotices(name: string): string {
  return `khala.${name}.w.*`;
}

/** The recipient that a subject of a mailbox, claim or notice ends with. */
export function recipientOf(subject: string): Hex {
  return hex(subject.slice(subject.lastIndexOf('.') + 1));
}

/** Recipient and id at the end of a message's subject. */
export function mailKeyOf(subject: string): { readonly recipient: Hex; readonly id: Hex } {
  const [recipient = '', id = ''] = subject.split('.').slice(-2);
  return { recipient: hex(recipient), id: hex(id) };
}

function token(bytes: Hex): string {
  return Buffer.from(bytes.slice(2), 'hex').toString('base64url');
}

function hex(part: string): Hex {
  return `0x${Buffer.from(part, 'base64url').toString('hex')}`;
}
