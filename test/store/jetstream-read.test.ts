import assert from 'node:assert/strict';
import type { Msg } from '@nats-io/transport-node';
import { describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError, RelayError } from '../../src/errors/index.ts';
import { MailReader, type ReadParts } from '../../src/store/jetstream/read.ts';
import { DirectReader } from '../../src/store/jetstream/direct-read.ts';
import type { Link } from '../../src/store/jetstream/link.ts';
import { Shares } from '../../src/store/jetstream/shares.ts';

const alice: Hex = `0x${'a1'.repeat(32)}`;

describe('MailStore: jetstream, a page of which something was lost on its way', () => {
  /** What a reader gets that asks, where each answer is one of these pages in turn. */
  const readOf = async (...pages: readonly (readonly (readonly [before: number, sequence: number])[])[]) => {
    const asked = [...pages];
    const link = {
      isClosed: false,
      listen: (take: (message: Msg | undefined) => void) => ({
        reply: 'r',
        stop: () => undefined,
        ...{ take: setImmediate(() => give(take)) },
      }),
      publish: () => undefined,
    };
    const give = (take: (message: Msg | undefined) => void): void => {
      for (const [before, sequence] of asked.shift() ?? []) {
        const fields = { 'Nats-Sequence': sequence, 'Nats-Last-Sequence': before, 'Nats-Subject': 'm' };
        const entries = Object.entries(fields).map(([name, value]) => [name, [String(value)]] as const);
        take({ headers: Object.assign(new Map(entries), { code: 0 }), data: new Uint8Array(1) } as unknown as Msg);
      }
      take({ headers: Object.assign(new Map(), { code: 204 }), data: new Uint8Array() } as unknown as Msg);
    };
    const reader = new DirectReader(link as unknown as Link, 5_000);
    const { messages } = await reader.read('KHALA_x_0', { seq: 1, next_by_subj: 'm', batch: 10 });
    return messages.map(({ sequence }) => sequence);
  };

  it('is worth nothing without its beginning, and what came before the gap with it', async () => {
    const whole = [
      [0, 2],
      [2, 4],
      [4, 6],
    ] as const;
    assert.deepEqual(await readOf(whole), [2, 4, 6]);
    assert.deepEqual(await readOf(whole.slice(1), whole), [2, 4, 6]);
    assert.deepEqual(
      await readOf(
        [
          [0, 2],
          [4, 6],
        ],
        whole,
      ),
      [2],
    );
  });
});

const mailbox = { count: 1, bytes: 1, last: 7, acknowledged: 0, state: 1, stateAt: 0, shares: new Shares() };
const kept = { sequence: 7, subject: 'm', note: '1 writer', key: 'AAAA', data: new Uint8Array(1), time: '' };

describe('MailStore: jetstream, a replica that is behind', () => {
  const readerOf = (behindFor: number) => {
    let asked = 0;
    const parts: ReadParts = {
      shards: {
        of: () => ({ stream: 'KHALA_x_0', mail: 'm' }),
        direct: {
          read: () => Promise.resolve({ messages: ++asked > behindFor ? [kept] : [], pending: 0 }),
        },
        leader: { message: () => Promise.resolve(kept) },
      },
      mailboxes: { get: () => Promise.resolve(mailbox), peek: () => mailbox },
      delivered: { add: () => undefined },
      timeoutMs: 100,
    };
    return new MailReader(parts);
  };

  it('is waited for', async () => {
    const page = await readerOf(2).read(alice, 0, {});
    assert.deepEqual(
      page.map(({ cursor }) => cursor),
      [7n],
    );
  });

  it('is given up after the time of the store, with its stream in the reason', async () => {
    await assert.rejects(
      readerOf(Infinity).read(alice, 0, {}),
      (error) => isRelayError(error, 'mail-store-failed') && error.message.includes('KHALA_x_0'),
    );
  });
});

describe('MailStore: jetstream, pages that many recipients ask for at once', () => {
  it('come 64 at a time, in the order in which they were asked for, also where some fail', async () => {
    const recipients = Array.from({ length: 200 }, (_, n): Hex => `0x${n.toString(16).padStart(64, '0')}`);
    const underWay: { readonly mail: string; readonly end: (isFailed: boolean) => void }[] = [];
    const parts: ReadParts = {
      shards: {
        of: (recipient) => ({ stream: 'KHALA_x_0', mail: recipient }),
        direct: {
          read: (_, { next_by_subj: mail }) =>
            new Promise((resolve, reject) => {
              const end = (isFailed: boolean): void => {
                if (isFailed) reject(new RelayError('mail-store-failed'));
                else resolve({ messages: [{ ...kept, subject: mail }], pending: 0 });
              };
              underWay.push({ mail, end });
            }),
        },
        leader: { message: () => Promise.resolve(kept) },
      },
      mailboxes: { get: () => Promise.resolve(mailbox), peek: () => mailbox },
      delivered: { add: () => undefined },
      timeoutMs: 100,
    };
    const reader = new MailReader(parts);
    const pages = recipients.map((recipient) =>
      reader.read(recipient, 0, {}).then(
        ({ length }) => length,
        () => 0,
      ),
    );
    const ended: string[] = [];
    while (ended.length < recipients.length) {
      await new Promise(setImmediate);
      assert.equal(underWay.length, Math.min(64, recipients.length - ended.length));
      const { mail, end } = underWay.shift() ?? assert.fail('nothing is under way');
      end(ended.length % 3 === 0);
      ended.push(mail);
    }
    assert.deepEqual(ended, recipients);
    assert.deepEqual(
      await Promise.all(pages),
      recipients.map((_, n) => (n % 3 === 0 ? 0 : 1)),
    );
  });
});
