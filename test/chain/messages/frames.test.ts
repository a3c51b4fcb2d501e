import assert from 'node:assert/strict';
import type { Hex } from '../../../src/codec/index.ts';
import type { HashRuns } from '../../../src/chain/head/hash-runs.ts';
import { framesOf, listedPieces } from '../../../src/chain/messages/frames.ts';

describe('frames of listed blocks', () => {
  const hashOf = (number: number): Hex => `0x${number.toString(16).padStart(64, '0')}`;
  const blockAt = (number: number) => ({ number, hash: hashOf(number) });

  it('have their hashes asked for as far ahead as four of them are under way', async () => {
    const target = blockAt(4_000);
    let asked = 0;
    const hashes = {
      of: async (first: number, last: number) => {
        asked = last;
        return { hashes: Array.from({ length: last - first + 1 }, (_, i) => hashOf(first + i)), url: 'ws://node' };
      },
      // What is not used here is left out.
    } as unknown as HashRuns;
    const ends: number[] = [];
    for await (const { through } of framesOf(listedPieces(hashes, blockAt(0), target, undefined), () => 256)) {
      ends.push(through.number);
      assert.ok(asked >= Math.min(target.number, through.number + 4 * 256), `${asked} at ${through.number}`);
    }
    assert.deepEqual(ends, [...Array.from({ length: 15 }, (_, i) => 256 * i + 255), target.number]);
  });
});
