import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ReplayWindow } from '../../src/channel/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { storedStream } from '../../src/inbox/stored-stream.ts';
import type { MessageRecord } from '../../src/inbox/stream-item.ts';
import { Transactions } from '../../src/inbox/transactions.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { replacing } from '../support/replacing.ts';

const waiting: MessageRecord = {
  ...{ kind: 'message', envelope: new Uint8Array(4), block: { number: 1, hash: `0x${'11'.repeat(32)}` } },
  ...{ isFinal: false, isAcknowledged: false, isRetracted: false, isReinstated: false, isWaiting: true },
  isProven: true,
};

describe('stored items, as a subscriber gets them', () => {
  it('are handed over where they are there when that is written, whatever was read before', async () => {
    const memory = openMemoryStore();
    const other = new InboxStore(memory);
    await other.commit([...[0n, 1n].map((at) => other.itemWrite(at, waiting)), other.sequenceWrite(2n)]);
    let isFirst = true;
    const store = new InboxStore(
      replacing(memory, {
        commit: async (...write) => {
          if (!isFirst) return memory.commit(...write);
          isFirst = false;
          await other.commit([other.itemWrite(0n, undefined)]);
          return false;
        },
      }),
    );
    const listeners = { onAccepted: () => undefined, onDone: () => undefined };
    const transactions = new Transactions({ store, window: new ReplayWindow(memory), ...listeners });
    const stream = storedStream({
      ...{ store, transactions, vault: createMemoryVault(), genesisHash: `0x${'22'.repeat(32)}` },
      leave: () => undefined,
    });
    const present = await stream.handOver([0n, 1n]);
    assert.deepEqual([...present], [[1n, { ...waiting, isWaiting: false }]]);
    assert.equal(await other.item(0n), undefined);
  });
});
