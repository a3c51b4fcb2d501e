import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { MailReader, type ReadParts } from '../../src/store/jetstream/read.ts';
import { Shares } from '../../src/store/jetstream/shares.ts';

const alice: Hex = `0x${'a1'.repeat(32)}`;

describe('MailStore: jetstream, a replica that is behind', () => {
  const readerOf = (behindFor: number) => {
    let asked = 0;
    const mailbox = { count: 1, bytes: 1, last: 7, acknowledged: 0, state: 1, stateAt: 0, shares: new Shares() };
    const kept = { sequence: 7, subject: 'm', note: '1 writer', key: 'AAAA', data: new Uint8Array(1), time: '' };
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
