import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Head } from '../../src/chain/index.ts';
import { followBest } from '../../src/inbox/follow-best.ts';
import type { FollowParts } from '../../src/inbox/follow-finalized.ts';

const headOf = (number: number): Head => ({ number, hash: `0x${number}` }) as Head;

describe('following best blocks', () => {
  it('settles what is finalized, though a made-up finalized head of a high number was told of and taken back', async () => {
    const stopping = new AbortController();
    const settled: number[] = [];
    async function* headEvents({ finality }: { finality?: string }) {
      if (finality === 'best') {
        for (const number of [101, 102]) yield { type: 'head', head: headOf(number) };
        await new Promise((resolve) => {
          stopping.signal.addEventListener('abort', resolve);
        });
        return;
      }
      yield { type: 'head', head: headOf(1_000_000) };
      yield { type: 'retracted', head: headOf(1_000_000) };
      await new Promise(setImmediate);
      yield { type: 'head', head: headOf(102) };
      await new Promise(setImmediate);
      stopping.abort();
    }
    const parts = {
      chain: {
        agreedHead: async () => {
          stopping.signal.throwIfAborted();
          return headOf(100);
        },
        bestHead: async () => headOf(102),
        headEvents,
        messages: { at: async () => [] },
      },
      ledger: {
        takeFinal: async () => undefined,
        takeEarly: async () => undefined,
        settle: async ({ number }: Head) => {
          settled.push(number);
        },
      },
      ...{ options: { topics: [] }, onGap: 'stop', now: Date.now, markReady: () => undefined },
    } as unknown as FollowParts;
    await followBest(parts, headOf(100), stopping.signal).catch((error: unknown) => {
      if (!stopping.signal.aborted) throw error;
    });
    assert.deepEqual(settled, [102]);
  });
});
