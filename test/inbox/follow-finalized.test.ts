import assert from 'node:assert/strict';
import type { BlockId, MessageSpan, PostedMessage } from '../../src/chain/index.ts';
import type { Head } from '../../src/chain/head/head.ts';
import type { Hex } from '../../src/codec/index.ts';
import { followFinalized, type FollowParts } from '../../src/inbox/follow-finalized.ts';
import { InboxStore } from '../../src/inbox/inbox-store.ts';
import { createInbox, type InboxChain } from '../../src/inbox/index.ts';
import { openMemoryStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/memory-vault.ts';
import { replacing } from '../support/replacing.ts';
import { until } from '../support/until.ts';

const headOf = (number: number): Head => {
  const hash: Hex = `0x${String(number).padStart(64, '0')}`;
  return { number, hash, parentHash: hash, stateRoot: hash };
};

describe('following finalized blocks, where one node says that it is at a block far ahead', () => {
  /** Gives spans after block 99, while the node in use tells of block 1 000 000 for as long as `isLying`. */
  async function followed(
    verify: boolean | undefined,
    isLying: () => boolean,
    spans: Iterable<MessageSpan>,
    until?: number,
  ): Promise<{
    readonly readyAt: readonly number[];
    readonly last: number;
    readonly taken: readonly (readonly [blocks: readonly number[], cursor: number])[];
  }> {
    const readyAt: number[] = [];
    const taken: (readonly [readonly number[], number])[] = [];
    let through = 99;
    const parts = {
      chain: {
        trust: 'quorum',
        finalizedHead: () => Promise.resolve(headOf(isLying() ? 1_000_000 : 101)),
        agreedHead: () => Promise.resolve(headOf(101)),
        messages: {
          async *follow() {
            for (const span of spans) {
              through = span.through.number;
              yield await Promise.resolve(span);
            }
          },
        },
      },
      ledger: {
        takeFinal: async (messages: readonly PostedMessage[], cursor: BlockId) => {
          taken.push([messages.map(({ block }) => block.number), cursor.number]);
        },
      },
      options: { topics: [], ...(verify !== undefined && { verify }) },
      ...{ onGap: 'stop', now: () => 0, markReady: () => readyAt.push(through) },
      // What is not used here is left out.
    } as unknown as FollowParts;
    const { number: last } = await followFinalized(parts, headOf(99), new AbortController().signal, until);
    return { readyAt, last, taken };
  }
  const blocks = (number: number): MessageSpan => ({ type: 'blocks', through: headOf(number), messages: [] });
  const posted = (number: number): MessageSpan => ({
    type: 'blocks',
    through: headOf(number),
    // What is not looked at here is left out.
    messages: [{ block: headOf(number), payload: new Uint8Array(1) } as unknown as PostedMessage],
  });

  it('takes nothing of blocks that are known to be made up, where they were read and not taken yet', async () => {
    const spans = [posted(100), posted(101), { type: 'retracted', through: headOf(100) } as const, blocks(101)];
    const { taken } = await followed(false, () => true, spans);
    assert.deepEqual(taken, [[[100], 100]]);
  });

  it('is ready at the block that several agree on', async () => {
    const { readyAt } = await followed(undefined, () => true, [100, 101].map(blocks));
    assert.deepEqual(readyAt, [101]);
  });

  for (const [what, until] of [
    ['is ready', undefined],
    ['ends', 1_000_000],
  ] as const)
    it(`${what} without verification too, once what that node made up was taken back`, async () => {
      let isLying = true;
      const spans = function* (): Generator<MessageSpan> {
        yield blocks(100);
        isLying = false;
        yield { type: 'retracted', through: headOf(99) };
        for (const number of [100, 101]) yield blocks(number);
        if (until !== undefined) assert.fail('it reads on');
      };
      const { readyAt, last } = await followed(false, () => isLying, spans(), until);
      assert.deepEqual([readyAt, last], [[101], 101]);
    });

  for (const [what, until] of [
    ['is ready', undefined],
    ['ends', 1_000_000],
  ] as const)
    it(`${what} at once where what is left is all that there is, and needs no further block for that`, async () => {
      let isLying = true;
      const spans = function* (): Generator<MessageSpan> {
        for (const number of [101, 102]) yield blocks(number);
        isLying = false;
        yield { type: 'retracted', through: headOf(101) };
        if (until !== undefined) assert.fail('it reads on');
      };
      const { readyAt, last } = await followed(false, () => isLying, spans(), until);
      assert.deepEqual([readyAt, last], [[101], 101]);
    });
});

describe('following finalized blocks, while the store takes its time', () => {
  /** As many as one transaction takes. */
  const full = 1_024;
  const spans = 10;

  for (const [what, blocksEach, messagesEach] of [
    ['with messages', 1, full],
    ['without any', full, 0],
  ] as const)
    it(`blocks ${what} are read for one transaction more than the one that is on its way`, async () => {
      const { chain, last, read } = readable(blocksEach, messagesEach);
      const memory = openMemoryStore();
      const held: (() => void)[] = [];
      let isHeld = true;
      const store = replacing(memory, {
        commit: async (...args) => {
          if (isHeld && read.spans > 0) await new Promise<void>((resolve) => held.push(resolve));
          return memory.commit(...args);
        },
      });
      await using inbox = createInbox({ chain, vault: createMemoryVault(), store, from: 1 });
      await inbox.start();
      try {
        for (let durable = 0; durable < spans; durable++) {
          const most = Math.min(durable + 2, spans);
          await until(() => held.length === 1 && read.spans >= most);
          assert.equal(read.spans, most);
          held.shift()?.();
        }
      } finally {
        isHeld = false;
        for (const letGo of held) letGo();
      }
      await inbox.ready;
      assert.equal((await new InboxStore(memory).cursor())?.number, last.number);
    });

  it('opens a transaction before what comes next is read, as far as it is there', async () => {
    const spansEach = 4;
    const { chain, last, read } = readable(1, full / spansEach);
    const memory = openMemoryStore();
    const readAtOpening: number[] = [];
    const store = replacing(memory, {
      commit: async (...args) => {
        // As with LMDB, whose writer says in a turn of the event loop that one is open.
        await new Promise(setImmediate);
        if (read.spans > 0) readAtOpening.push(read.spans);
        return memory.commit(...args);
      },
    });
    await using inbox = createInbox({ chain, vault: createMemoryVault(), store, from: 1 });
    await inbox.start();
    await inbox.ready;
    assert.equal((await new InboxStore(memory).cursor())?.number, last.number);
    // One more before it was asked for, and one since.
    assert.deepEqual(readAtOpening, [spansEach + 2, 2 * spansEach + 2, spans]);
  });

  /** Spans that are all there: who does not wait for the store has them at once. */
  function readable(blocksEach: number, messagesEach: number) {
    const read = { spans: 0 };
    const last = headOf(spans * blocksEach);
    const chain: InboxChain = {
      genesisHash: headOf(0).hash,
      trust: 'single',
      finalizedHead: async () => last,
      agreedHead: async () => last,
      bestHead: async () => last,
      headAt: async (number) => headOf(number),
      headEvents: () => assert.fail('an inbox that follows finalized blocks asks for no heads'),
      messages: {
        async *follow(_, __, signal) {
          while (read.spans < spans) {
            const through = headOf((read.spans + 1) * blocksEach);
            read.spans += 1;
            yield {
              type: 'blocks',
              through,
              messages: Array.from({ length: messagesEach }, () => garbageIn(through)),
            };
          }
          signal?.throwIfAborted();
          return new Promise<never>((_resolve, reject) => {
            signal?.addEventListener('abort', () => {
              reject(signal.reason as Error);
            });
          });
        },
        at: async () => [],
      },
    };
    return { chain, last, read };
  }

  function garbageIn(block: BlockId): PostedMessage {
    const sender = { kind: 'account', id: `0x${'22'.repeat(32)}` } as const;
    return { sender, destination: new Uint8Array(), payload: Uint8Array.of(7), block, proven: true };
  }
});
