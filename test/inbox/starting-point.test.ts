import assert from 'node:assert/strict';
import type { Head } from '../../src/chain/index.ts';
import { sealMessage } from '../../src/channel/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError, type RelayError } from '../../src/errors/index.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, type InboxChain, type InboxOptions } from '../../src/inbox/index.ts';
import { openMemoryStore, type TransactionalStore } from '../../src/store/index.ts';
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

  describe('is given anew', () => {
    /** Up to where no endpoint has the state of any block. */
    const pruned = 3;
    /** After which block reading was to begin. */
    const asked: number[] = [];
    let askedNext: (after: number) => void = () => undefined;
    const forgetful: InboxChain = {
      ...chain,
      messages: {
        ...chain.messages,
        async *follow(start, options, signal) {
          const { number: after } = start;
          asked.push(after);
          askedNext(after);
          const missing = { type: 'missing', first: after + 1, through: headOf(pruned), reason: 'pruned' } as const;
          if (after < pruned) yield { ...missing, hashAt: async (number) => headOf(number).hash };
          return yield* chain.messages.follow(start, options, signal);
        },
      },
    };

    const vault = createMemoryVault();
    let store: TransactionalStore;
    beforeEach(() => {
      store = openMemoryStore();
      asked.length = 0;
    });

    /** What is told at its start, and how it ends, or ready. */
    async function run(options: Partial<InboxOptions> = {}): Promise<readonly string[]> {
      const codes: string[] = [];
      const onNotice = ({ code }: RelayError): void => void codes.push(code);
      await using inbox = createInbox({ chain: forgetful, vault, store, onNotice, ...options });
      const isAsked = new Promise<number>((resolve) => (askedNext = resolve));
      await inbox.start();
      // It waits then.
      if ((await isAsked) === pruned) return codes;
      const ended = inbox.ready.then(
        () => 'ready',
        (error: unknown) => (isRelayError(error) ? error.code : String(error)),
      );
      return [...codes, await ended];
    }

    it('where nothing was read since it was given, as where no endpoint has those blocks', async () => {
      assert.deepEqual(await run({ from: 1 }), ['blocks-missing']);
      assert.deepEqual(await run(), ['blocks-missing']);
      assert.deepEqual(await run({ from: pruned + 1 }), []);
      assert.deepEqual(await run(), []);
      assert.deepEqual(await run({ from: 2 }), ['blocks-missing']);
      assert.deepEqual(await run({ from: 'head' }), ['reading-from', 'ready']);
      assert.deepEqual(asked, [0, 0, pruned, pruned, 1, present]);
    });

    it('not where something was read, or it began at the head: of that nothing is to be missed', async () => {
      assert.deepEqual(await run({ from: 1 }), ['blocks-missing']);
      const files = new InboxStore(store);
      await files.commit([files.cursorWrite(headOf(pruned))]);
      assert.deepEqual(await run({ from: 5 }), ['already-read']);
      assert.deepEqual(await run({ from: 'head' }), []);
      store = openMemoryStore();
      assert.deepEqual(await run({ from: 'head' }), ['reading-from', 'ready']);
      assert.deepEqual(await run({ from: 1 }), ['already-read', 'ready']);
      assert.deepEqual(asked, [0, pruned, pruned, present, present]);
    });

    it('not where unfinalized blocks were taken already', async () => {
      assert.deepEqual(await run({ from: pruned + 1 }), []);
      const files = new InboxStore(store);
      await files.commit([files.early.takenWrite(headOf(present + 1), true)]);
      assert.deepEqual(await run({ from: 5 }), ['already-read']);
    });

    it('while another process begins with the same store: what that stored counts', async () => {
      assert.deepEqual(await run({ from: 1 }), ['blocks-missing']);
      const files = new InboxStore(store);
      let isFirst = true;
      const racing = replacing(store, {
        commit: async (...args) => {
          if (isFirst) await files.commit([files.cursorWrite(headOf(pruned))]);
          isFirst = false;
          return store.commit(...args);
        },
      });
      asked.length = 0;
      assert.deepEqual(await run({ from: 5, store: racing }), ['already-read']);
      assert.deepEqual(asked, [pruned]);
    });
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
