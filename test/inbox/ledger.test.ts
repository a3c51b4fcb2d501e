import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ReplayWindow } from '../../src/channel/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { Ledger } from '../../src/inbox/ledger.ts';
import type { MessageRecord } from '../../src/inbox/stream-item.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { replacing } from '../support/replacing.ts';

const waiting: MessageRecord = {
  ...{ kind: 'message', envelope: new Uint8Array(4), block: { number: 1, hash: `0x${'11'.repeat(32)}` } },
  ...{ isFinal: false, isAcknowledged: false, isRetracted: false, isReinstated: false, isWaiting: true },
  isProven: true,
};

describe('what an inbox writes', () => {
  it('hands over what there is when that is written, where what was read before was not any more', async () => {
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
    const ledger = new Ledger({
      ...{ store, window: new ReplayWindow(memory), vault: createMemoryVault(), genesisHash: `0x${'22'.repeat(32)}` },
      ...{ now: Date.now, isRegistered: () => false, onAccepted: () => undefined, onDone: () => undefined },
    });
    const present = await ledger.handOver([0n, 1n]);
    assert.deepEqual([...present], [[1n, { ...waiting, isWaiting: false }]]);
    assert.equal(await other.item(0n), undefined);
  });
});
