import assert from 'node:assert/strict';
import type { Head } from '../../src/chain/index.ts';
import { sealMessage } from '../../src/channel/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, type InboxChain } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { directoryOf, utf8 } from '../support/entities.ts';
import { replacing } from '../support/replacing.ts';

const present = 5;
const headOf = (number: number): Head => {
  const hash: Hex = `0x${String(number).padStart(64, '0')}`;
  return { number, hash, parentHash: hash, stateRoot: hash };
};
const { hash: genesisHash } = headOf(0);

/** Of which nothing can be read. */
const chain: InboxChain = {
  genesisHash,
  trust: 'single',
  finalizedHead: async () => headOf(present),
  agreedHead: async () => headOf(present),
  bestHead: async () => headOf(present),
  headAt: async (number) => headOf(number),
  headEvents: () => assert.fail('an inbox that follows finalized blocks asks for no heads'),
  messages: {
    // eslint-disable-next-line require-yield -- it has nothing to give
    async *follow(_, __, signal) {
      return new Promise<never>((_resolve, reject) => {
        signal?.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      });
    },
    at: async () => [],
  },
};

const beginnings = [
  ['head', present],
  [1, 0],
] as const;

describe('where an inbox begins', () => {
  for (const [from, first] of beginnings)
    it(`is stored before anything is read, so that one that is killed then goes on there (from ${from})`, async () => {
      const store = openMemoryStore();
      {
        await using inbox = createInbox({ chain, vault: createMemoryVault(), store, from });
        await inbox.start();
        assert.equal((await new InboxStore(store).cursor())?.number, first);
      }
    });

  for (const [from, first] of beginnings)
    it(`is stored though messages of relays are on their way to the store as it starts (from ${from})`, async () => {
      const [recipient, sender] = [createMemoryVault(), createMemoryVault()];
      const sending = { vault: sender, genesisHash, store: openMemoryStore(), directory: await directoryOf(recipient) };
      const sealed = async (text: string): Promise<Uint8Array> => {
        const body = { kind: 'data', content: utf8(text) } as const;
        return (await sealMessage(sending, { to: recipient.identity, body })).envelope;
      };
      const memory = openMemoryStore();
      let letGo: () => void = () => undefined;
      const goes = new Promise<void>((resolve) => (letGo = resolve));
      let written: () => void = () => undefined;
      const isWritten = new Promise<void>((resolve) => (written = resolve));
      const store = replacing(memory, {
        // Durable, and not told yet.
        commit: async (...args) => {
          const isDone = await memory.commit(...args);
          written();
          await goes;
          return isDone;
        },
      });
      await using inbox = createInbox({ chain, vault: recipient, store, from });
      const envelopes = [await sealed('one'), await sealed('two')];
      // In one transaction.
      const accepted = Promise.all(envelopes.map((each) => inbox.accept(each)));
      await isWritten;
      const starting = inbox.start();
      await Promise.race([starting, new Promise((resolve) => setImmediate(resolve))]);
      letGo();
      assert.deepEqual(await accepted, ['accepted', 'accepted']);
      await starting;
      await inbox.accept(await sealed('three'));
      const files = new InboxStore(memory);
      assert.equal((await files.cursor())?.number, first);
      assert.equal(await files.genesisHash(), genesisHash);
    });
});
