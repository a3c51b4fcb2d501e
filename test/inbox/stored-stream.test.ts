import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { ReplayWindow } from '../../src/channel/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { storedStream } from '../../src/inbox/stored-stream.ts';
import type { MessageRecord } from '../../src/inbox/stream-item.ts';
import { Transactions } from '../../src/inbox/transactions.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { replacing } from '../support/replacing.ts';

const genesisHash: Hex = `0x${'22'.repeat(32)}`;
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
      ...{ store, transactions, vault: createMemoryVault(), genesisHash },
      leave: () => undefined,
    });
    const present = await stream.handOver([0n, 1n]);
    assert.deepEqual([...present], [[1n, { ...waiting, isWaiting: false }]]);
    assert.equal(await other.item(0n), undefined);
  });

  describe('that do not open any more', () => {
    const early = { ...waiting, isWaiting: false };

    /** An early message whose opening fails, and is `changed` meanwhile. */
    async function putAside(changed: Partial<MessageRecord>) {
      await ready();
      const memory = openMemoryStore();
      const store = new InboxStore(memory);
      const [sender, recipient] = [createMemoryVault(), createMemoryVault()];
      const [key] = await recipient.ecdhKeys();
      assert.ok(key !== undefined);
      const envelope = await sender.seal({
        ...{ genesisHash, to: recipient.identity, recipientKey: key.publicKey, nonce: 1n, sentAt: 1n },
        body: { kind: 'data', content: new Uint8Array(1) },
      });
      const record = { ...early, envelope };
      await store.commit([store.itemWrite(0n, record), store.sequenceWrite(1n)]);
      const vault = replacing(recipient, {
        openAll: async ({ envelopes }) => {
          await store.commit([store.itemWrite(0n, { ...record, ...changed })]);
          return envelopes.map(() => new RelayError('unknown-epoch'));
        },
      });
      const listeners = { onAccepted: () => undefined, onDone: () => undefined };
      const transactions = new Transactions({ store, window: new ReplayWindow(memory), ...listeners });
      const stream = storedStream({ store, transactions, vault, genesisHash, leave: () => undefined });
      assert.deepEqual(await stream.open([[0n, record]]), [undefined]);
      return { store, item: await store.item(0n), letter: await store.letters.get(0n) };
    }

    it('are final dead letters where they are final by then', async () => {
      const { store, item, letter } = await putAside({ isFinal: true });
      assert.deepEqual(item, { kind: 'dead', letter: 0n });
      assert.equal(letter?.isFinal, true);
      assert.deepEqual(await store.early.messages(0, 2), []);
    });

    it('are found by their block where they are not final', async () => {
      const { store, letter } = await putAside({});
      assert.equal(letter?.isFinal, false);
      assert.deepEqual(await store.early.messages(0, 2), [{ number: 1, sequence: 0n }]);
    });

    for (const changed of [{ isRetracted: true }, { isAcknowledged: true }])
      it(`stay where they are where ${Object.keys(changed).join()} by then`, async () => {
        const { item, letter } = await putAside(changed);
        assert.deepEqual([item?.kind, letter], ['message', undefined]);
      });
  });
});
