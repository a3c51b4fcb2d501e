import assert from 'node:assert/strict';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { AskedIds } from '../../src/outbox/asked-ids.ts';
import { encodeRecord } from '../../src/outbox/message-record.ts';
import { Change, type Stored } from '../../src/outbox/outbox-change.ts';
import { OutboxStore } from '../../src/outbox/outbox-store.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { idOf, queuedRecord } from './records.ts';

const now = 1_000_000;

describe('outbox: ids under which a message may be answered', () => {
  const recipient = createMemoryVault();
  let store: OutboxStore;
  let stored: Stored;
  let envelope: Uint8Array;

  before(async () => {
    await ready();
    const [key] = await recipient.ecdhKeys();
    const header = { genesisHash: idOf(1), to: recipient.identity, nonce: 1n, sentAt: 1n };
    const recipientKey = key?.publicKey ?? new Uint8Array();
    const body = { kind: 'data', content: Uint8Array.of(1) } as const;
    envelope = await createMemoryVault().seal({ ...header, recipientKey, body });
  });

  beforeEach(async () => {
    store = new OutboxStore(openMemoryStore());
    const record = queuedRecord({ to: recipient.identity, queuedAt: now, readReceipt: true });
    const id = await store.append({ record, body: Uint8Array.of(1), route: 'relay' });
    stored = { id, record, bytes: encodeRecord(record) };
  });

  const seal = async (asked: AskedIds, from: number, to: number): Promise<void> => {
    for (let n = from; n <= to; n++)
      await store.commit(asked.add(stored, { stored, envelope, messageId: idOf(n) }, new Change()));
  };
  const kept = async (): Promise<Hex[]> => (await store.allAsked()).map(({ messageId }) => messageId);

  it('are the first, which may be the one that arrived, and the latest', async () => {
    await seal(new AskedIds(() => now), 1, 20);
    assert.deepEqual(await kept(), [1, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20].map(idOf));
  });

  it('are no more after a restart', async () => {
    await seal(new AskedIds(() => now), 1, 16);
    const again = new AskedIds(() => now + 1);
    await again.load(store);
    await seal(again, 17, 17);
    assert.equal((await kept()).length, 16);
    assert.equal((await kept())[0], idOf(1));
  });

  it('are held in memory for none that has its end', async () => {
    await seal(new AskedIds(() => now), 1, 16);
    await store.commit(
      new Change().progress(stored, {
        state: 'relayed',
        messageId: idOf(1),
        status: 'stored',
        endpoint: toHex(Uint8Array.of(1)),
      }),
    );
    const again = new AskedIds(() => now);
    await again.load(store);
    await seal(again, 17, 17);
    assert.equal((await kept()).length, 17);
  });
});
