import { RelayError } from '../../errors/index.ts';
import type { Hex } from '../../codec/index.ts';

/*
 * One stream per shard of recipients; `R` is the recipient, `I` the message id, both 32 bytes in base64url:
 *   khala.NAME.SHARD.m.R     a message, until it is acknowledged   Khala-Mail: storedAt writer sender kind, Nats-Msg-Id: I.R…
 *   khala.NAME.SHARD.t.R.I   its tombstone, which keeps the id known  Khala-Mail: storedAt cursor
 *   khala.NAME.SHARD.s.R     the mailbox                           Khala-Mail: writtenAt acknowledged
 *   khala.NAME.SHARD.c.R     who reads it: the newest claim
 *   khala.NAME.SHARD.o.S.R   it holds answers of a sender, `S` as in `Khala-Mail`
 * A cursor is a message's sequence in its stream. Notices between processes are on khala.NAME.w.R and in no stream.
 */

/** Of the layout above; streams of another one are refused. */
export const layoutVersion = 2;

/** One shard. */
export interface ShardLayout {
  readonly stream: string;
  readonly subjects: string[];
  readonly allMail: string;
  readonly allMailboxes: string;
  readonly allReplyBoxes: string;
  readonly replyBoxesOf: (sender: string) => string;
  /** Where it is tried whether the stream takes anything. */
  readonly trial: string;
  readonly placeOf: (recipient: Hex) => MailboxPlace;
}

/** Subjects of one mailbox. */
export interface MailboxPlace {
  readonly mail: string;
  readonly mailbox: string;
  readonly claim: string;
  readonly replyBox: (sender: string) => string;
  readonly tombstone: (idToken: string) => string;
  /**
   * By which JetStream knows a message again. One id may be in several mailboxes of a stream, and in one of them `anew`
   * after it was forgotten there.
   */
  readonly key: (idToken: string, anew: number) => string;
}

const names = /^[A-Za-z0-9_-]{1,64}$/;
const shardBytes = 4;
// Of a recipient, where its name need not be whole.
const shortTokenLength = 16;

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
    subjects: [`${root}.m.*`, `${root}.t.*.*`, `${root}.s.*`, `${root}.c.*`, `${root}.o.*.*`],
    allMail: `${root}.m.*`,
    allMailboxes: `${root}.s.*`,
    allReplyBoxes: `${root}.o.*.*`,
    replyBoxesOf: (sender) => `${root}.o.${sender}.*`,
    trial: `${root}.c.trial`,
    placeOf(recipient) {
      const owner = token(recipient);
      const short = owner.slice(0, shortTokenLength);
      return {
        mail: `${root}.m.${owner}`,
        mailbox: `${root}.s.${owner}`,
        claim: `${root}.c.${owner}`,
        replyBox: (sender) => `${root}.o.${sender}.${owner}`,
        tombstone: (idToken) => `${root}.t.${owner}.${idToken}`,
        key: (idToken, anew) => `${idToken}.${short}${anew === 0 ? '' : `.${anew}`}`,
      };
    },
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

/** The recipient that the subject of a message, mailbox, claim or notice ends with. */
export function recipientOf(subject: string): Hex {
  return hex(subject.slice(subject.lastIndexOf('.') + 1));
}

/** Of a message's key. */
export function idTokenOf(key: string): string {
  const end = key.indexOf('.');
  return end === -1 ? key : key.slice(0, end);
}

export function idOf(idToken: string): Hex {
  return hex(idToken);
}

export function token(bytes: Hex): string {
  return Buffer.from(bytes.slice(2), 'hex').toString('base64url');
}

function hex(part: string): Hex {
  return `0x${Buffer.from(part, 'base64url').toString('hex')}`;
}
