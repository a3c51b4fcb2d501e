import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { openInboxFiles } from '../../src/inbox/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { messageRecord } from '../support/message-record.ts';
import { replacing } from '../support/replacing.ts';

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
const block = { number: 1, hash: `0x${'33'.repeat(32)}` } as const;
const large = 100_000;
const count = 20;

describe('the files of an inbox', () => {
  const [sender, recipient] = [createMemoryVault(), createMemoryVault()];
  let disk: TransactionalStore;
  /** Bytes of the values of the largest read. */
  let most: number;
  let store: TransactionalStore;

  beforeEach(async () => {
    most = 0;
    disk = openMemoryStore();
    store = replacing(disk, {
      get: async (key) => {
        const value = await disk.get(key);
        most = Math.max(most, value?.length ?? 0);
        return value;
      },
      entries: async (range) => {
        const entries = await disk.entries(range);
        most = Math.max(
          most,
          entries.reduce((sum, [, value]) => sum + value.length, 0),
        );
        return entries;
      },
    });
    const [key] = await recipient.ecdhKeys();
    assert.ok(key !== undefined);
    const files = new InboxStore(disk);
    await files.commit(await files.claimWrites(genesisHash));
    for (let n = 0n; n < count; n++) {
      const envelope = await sender.seal({
        ...{ genesisHash, to: recipient.identity, recipientKey: key.publicKey, nonce: n, sentAt: 1n },
        body: { kind: 'data', content: new Uint8Array(large) },
      });
      const letter = { envelope, code: 'unknown-epoch', sender: undefined, block, isFinal: true } as const;
      await files.commit([
        files.itemWrite(n, messageRecord({ envelope, block })),
        ...files.letters.writes(n, { ...letter, isProven: true, retries: 0 }),
      ]);
    }
  });

  async function countOf(list: AsyncIterable<unknown>): Promise<number> {
    let found = 0;
    for await (const _ of list) found += 1;
    return found;
  }

  it('has one of its letters and messages in memory at a time, however many it lists, tries again or keeps keys for', async () => {
    const files = await openInboxFiles(store);
    assert.equal(await countOf(files.pending()), count);
    assert.equal(await countOf(files.deadLetters()), count);
    assert.equal((await files.keysInUse()).needed.length, 1);
    assert.equal((await files.retry(createMemoryVault())).length, count);
    assert.ok(most > large && most < 2 * large, `${most} bytes were read at once`);
  });
});
