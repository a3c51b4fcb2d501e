import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import type { Ingested } from '../../src/relay/ingest.ts';
import { createStore } from '../../src/relay/store.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import { useTempDir } from '../support/temp-dir.ts';

const filled = (byte: number): Hex => toHex(new Uint8Array(32).fill(byte));

const answer = (from: number, n: number, box = 0xbb): Ingested =>
  ({
    header: { from: filled(from), to: filled(0xaa), recipientKey: new Uint8Array(32).fill(box), sentAt: 1n },
    messageId: filled(n),
    bytes: Uint8Array.of(n),
  }) as Ingested;

describe('relay: the stage that stores', () => {
  const inFolder = useTempDir();

  it('lets no entity fill a reply box, so that others can still answer', async () => {
    await using mailStore = await openLmdbMailStore({ path: inFolder(), quota: { maxCount: 8, senderPart: 0.25 } });
    const store = createStore({ mailStore, isKnown: () => false, limits: { maxReplyBoxes: 2 } });
    const reply = (from: number, n: number): Promise<string> => store.keepReply(answer(from, n));
    for (const n of [1, 2]) assert.equal(await reply(1, n), 'stored');
    await assert.rejects(reply(1, 3), (error) => isRelayError(error, 'mailbox-full'));
    for (const n of [3, 4]) assert.equal(await reply(2, n), 'stored');
    assert.equal(await reply(1, 1), 'duplicate');
  });

  it('leaves the answers of one worker in so many reply boxes, and mail in as many mailboxes as there are', async () => {
    await using mailStore = await openLmdbMailStore({ path: inFolder() });
    const store = createStore({ mailStore, isKnown: () => true, limits: { maxReplyBoxes: 2 } });
    for (const n of [1, 2, 3]) assert.equal(await store.keepReply(answer(1, n, n)), 'stored');
    assert.deepEqual(await mailStore.totals().then(({ count, replyBoxes }) => [count, replyBoxes]), [2, 2]);
    for (const n of [4, 5, 6]) await store.keep({ ...answer(1, n), header: { ...answer(1, n).header, to: filled(n) } });
    await store.keepReply(answer(2, 7, 3));
    assert.equal((await mailStore.totals()).replyBoxes, 3);
  });
});
