import assert from 'node:assert/strict';
import { ReplayWindow } from '../../src/channel/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { ready } from '../../src/crypto/index.ts';
import { RelayError } from '../../src/errors/index.ts';
import { openInboxFiles } from '../../src/inbox/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { retryUnread } from '../../src/inbox/retry-letters.ts';
import { Transactions } from '../../src/inbox/transactions.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import type { Vault } from '../../src/vault/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { replacing } from '../support/replacing.ts';

const genesisHash: Hex = `0x${'11'.repeat(32)}`;
const account: Hex = `0x${'22'.repeat(32)}`;
const block = { number: 1, hash: `0x${'33'.repeat(32)}` } as const;

describe('dead letters that are tried again', () => {
  before(ready);

  /** Letters that open, with contents of so many bytes; `opened`: how many were opened at once, each time. */
  async function withLetters(count: number, bytes: number) {
    const recipient = createMemoryVault();
    const sender = createMemoryVault();
    const [key] = await recipient.ecdhKeys();
    assert.ok(key !== undefined);
    const store = openMemoryStore();
    const files = new InboxStore(store);
    await files.commit([...(await files.claimWrites(genesisHash)), files.sequenceWrite(BigInt(count))]);
    for (let i = 0; i < count; i++) {
      const envelope = await sender.seal({
        ...{
          genesisHash,
          to: recipient.identity,
          recipientKey: key.publicKey,
          account,
          nonce: BigInt(i + 1),
          sentAt: 1n,
        },
        body: { kind: 'data', content: new Uint8Array(bytes) },
      });
      const state = { code: 'unknown-epoch', isFinal: true, isProven: true, retries: 0 } as const;
      const letter = { envelope, block, sender: { kind: 'account', id: account }, ...state } as const;
      await files.commit(files.letters.writes(BigInt(i), letter));
    }
    const opened: number[] = [];
    const vault = replacing(recipient, {
      openAll: (request) => {
        opened.push(request.envelopes.length);
        return recipient.openAll(request);
      },
    });
    const all = Array.from({ length: count }, (_, i) => BigInt(i));
    return { inbox: await openInboxFiles(store), store, files, vault, opened, all };
  }

  it('are opened some at a time, however many are named, and all of them in the end', async () => {
    const { inbox, files, vault, opened, all } = await withLetters(600, 1);
    const retried = await inbox.retry(vault, all);
    assert.deepEqual(
      retried.map(({ sequence, outcome }) => [sequence, outcome]),
      all.map((sequence) => [sequence, 'accepted']),
    );
    assert.ok(Math.max(...opened) <= 256, opened.join(', '));
    assert.equal((await files.itemsFrom(0n, 1_000)).length, 600);
    assert.deepEqual(await files.letters.sequences(1), []);
  });

  it('are opened a few at a time where they are large', async () => {
    const { inbox, vault, opened, all } = await withLetters(12, 2 ** 20);
    assert.equal((await inbox.retry(vault, all)).length, 12);
    assert.ok(Math.max(...opened) <= 4, opened.join(', '));
  });

  it('stay dead where they are older than the retention: of a channel that went on since, or by a relay', async () => {
    const { inbox, files, vault } = await withLetters(1, 1);
    const sender = createMemoryVault();
    const [key] = await vault.ecdhKeys();
    assert.ok(key !== undefined);
    const old = (sequence: bigint, nonce: bigint, from: { readonly account?: Hex }) =>
      sender
        .seal({
          ...{ genesisHash, to: vault.identity, recipientKey: key.publicKey, ...from, nonce, sentAt: 1n },
          body: { kind: 'data', content: '0x01' },
        })
        .then((envelope) => {
          const isPosted = from.account !== undefined;
          const posted = isPosted ? { block, sender: { kind: 'account', id: account } as const } : {};
          const state = { code: 'unknown-epoch', isFinal: true, isProven: true, retries: 0 } as const;
          const letter = { block: undefined, sender: undefined, ...posted, ...state, envelope };
          return files.commit(files.letters.writes(sequence, letter));
        });
    const monthLater = (31n * 86_400_000n) << 20n;
    await old(1n, monthLater, { account });
    await old(2n, monthLater, {});
    const outcomes = (await inbox.retry(vault, [1n, 0n, 2n])).map(({ outcome, code }) => [outcome, code]);
    assert.deepEqual(outcomes, [
      ['accepted', undefined],
      ['dead', 'replay-too-old'],
      ['dead', 'clock-skew'],
    ]);
  });

  it('are the oldest where none are named', async () => {
    const { inbox, files, vault } = await withLetters(300, 1);
    assert.equal((await inbox.retry(vault)).length, 256);
    assert.equal((await files.letters.sequences(300)).length, 44);
  });

  it('are asked for one at a time while the file of the vault can not be read, and all are tried when it can', async () => {
    const { files, store, vault, opened, all } = await withLetters(600, 1);
    for (const sequence of all) {
      const letter = await files.letters.get(sequence);
      assert.ok(letter !== undefined);
      await files.commit(files.letters.writes(sequence, { ...letter, code: 'vault-resealed' }));
    }
    let most = 0;
    const counted = replacing(store, {
      entries: async (range) => {
        const entries = await store.entries(range);
        most = Math.max(most, entries.length);
        return entries;
      },
    });
    const parts = { store: new InboxStore(counted), window: new ReplayWindow(counted, { now: Date.now }) };
    const transactions = new Transactions({ ...parts, onAccepted: () => undefined, onDone: () => undefined });
    const retry = (of: Vault) => retryUnread(transactions, { ...parts, vault: of, genesisHash, now: Date.now });
    const unread = new RelayError('vault-resealed', { details: { path: 'vault' } });
    await retry(replacing(vault, { openAll: async ({ envelopes }) => envelopes.map(() => unread) }));
    assert.deepEqual([most, opened, (await files.letters.unread()).length], [1, [], 600]);
    await retry(vault);
    assert.deepEqual(await files.letters.sequences(1), []);
    assert.ok(Math.max(...opened) <= 256, opened.join(', '));
  });
});
