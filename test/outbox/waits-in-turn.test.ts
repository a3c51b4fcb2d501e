import assert from 'node:assert/strict';
import { WaitsInTurn, type Wait } from '../../src/outbox/waits-in-turn.ts';

describe('outbox: waits in turn', () => {
  it('are looked at no oftener where the clock was set back by years', async () => {
    let looks = 0;
    const stopped = new AbortController();
    const work = {
      now: () => {
        looks += 1;
        return 0;
      },
      signal: stopped.signal,
      setback: () => undefined,
    };
    const waits = new WaitsInTurn<string, Wait>(work, 1);
    waits.add('one', {
      until: Date.now(),
      wait: (signal) =>
        new Promise((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        }),
    });
    waits.look();
    // A timer of 1 ms fires between any two of these.
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.equal(looks, 1);
    stopped.abort();
    await waits.stop();
  });
});
