import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import type { Ingested } from '../../src/relay/ingest.ts';
import { createStore } from '../../src/relay/store.ts';
import { openLmdbMailStore } from '../../src/store/lmdb-mail-store.ts';
import { useTempDir } from '../support/temp-dir.ts';

const filled = (byte: number): Hex => toHex(new Uint8Array(32).fill(byte));

describe('relay: the stage that stores', () => {
  const inFolder = useTempDir();

  it('lets no entity fill a reply box, so that others can still answer', async () => {
    await using mailStore = await openLmdbMailStore({ path: inFolder(), quota: { maxCount: 8, senderPart: 0.25 } });
    const store = createStore({ mailStore, isKnown: () => false });
    const reply = (from: number, n: number): Promise<string> =>
      store.keepReply({
        header: { from: filled(from), to: filled(0xaa), recipientKey: new Uint8Array(32).fill(0xbb) },
        messageId: filled(n),
        bytes: Uint8Array.of(n),
      } as Ingested);
    for (const n of [1, 2]) assert.equal(await reply(1, n), 'stored');
    await assert.rejects(reply(1, 3), (error) => isRelayError(error, 'mailbox-full'));
    for (const n of [3, 4]) assert.equal(await reply(2, n), 'stored');
    assert.equal(await reply(1, 1), 'duplicate');
  });
});
