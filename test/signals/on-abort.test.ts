import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { onAbort } from '../../src/signals/index.ts';
import { collectGarbage, collectYoungGarbage } from '../support/collect-garbage.ts';

describe('onAbort', () => {
  it('calls back who waits when the signal fires, and nobody who took that back', () => {
    const controller = new AbortController();
    const called: number[] = [];
    const takeBack = [1, 2, 3].map((n) => onAbort(controller.signal, () => called.push(n)));
    takeBack[1]?.();
    controller.abort();
    assert.deepEqual(called, [1, 3]);
  });

  it('holds nothing of who took that back until old garbage is collected, where the signal lives long', async () => {
    const { signal } = new AbortController();
    const waiting: (() => void)[] = [];
    const kilobyte = 2 ** 10;
    const waitInTurn = (times: number): void => {
      for (let n = 1; n <= times; n++) {
        const held = new Uint8Array(64 * kilobyte);
        waiting.push(onAbort(signal, () => void held.fill(1)));
        if (waiting.length > 8) waiting.shift()?.();
        if (n % 20 === 0) collectYoungGarbage();
      }
    };
    waitInTurn(100);
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    waitInTurn(1_000);
    collectYoungGarbage();
    collectYoungGarbage();
    assert.ok(process.memoryUsage().arrayBuffers - before < 100 * 64 * kilobyte);
  });
});
