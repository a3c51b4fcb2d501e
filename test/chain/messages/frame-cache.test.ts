import assert from 'node:assert/strict';
import type { BlockAnchor } from '../../../src/chain/messages/block-anchor.ts';
import { FrameCache } from '../../../src/chain/messages/frame-cache.ts';
import type { OutboundValue } from '../../../src/chain/messages/outbound-value.ts';
import { collectGarbage, collectYoungGarbage } from '../../support/collect-garbage.ts';

const valueBytes = 2 ** 16;

function anchorOf(number: number): BlockAnchor {
  return { number, hash: `0x${number.toString(16)}`, stateRoot: undefined };
}

/** Of one block each. */
async function shareEach(cache: FrameCache, first: number, last: number): Promise<void> {
  for (let number = first; number <= last; number++) {
    const block = anchorOf(number);
    const values: OutboundValue[] = [{ block, value: new Uint8Array(valueBytes), isProven: false }];
    const reading = Promise.resolve(values);
    cache.share([block], reading);
    await reading;
    if (number % 10 === 0) collectYoungGarbage();
  }
}

describe('FrameCache', () => {
  it('keeps what was read last, up to half a megabyte where one reads', async () => {
    const cache = new FrameCache();
    await shareEach(cache, 1, 20);
    await new Promise(setImmediate);
    const kept = Array.from({ length: 20 }, (_, i) => i + 1).filter((n) => cache.get([anchorOf(n)]) !== undefined);
    assert.deepEqual(kept, [13, 14, 15, 16, 17, 18, 19, 20]);
  });

  it('holds nothing of what it forgot until old garbage is collected', async () => {
    const cache = new FrameCache();
    await shareEach(cache, 1, 50);
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    await shareEach(cache, 51, 350);
    collectYoungGarbage();
    collectYoungGarbage();
    assert.ok(process.memoryUsage().arrayBuffers - before < 60 * valueBytes);
  });
});
