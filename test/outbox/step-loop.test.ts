import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { StepLoop } from '../../src/outbox/step-loop.ts';
import { until } from '../support/until.ts';

describe('outbox: the loop of its steps', () => {
  /** Steps that end when they are told to, in a pause or in an error. */
  const make = (ending: 'in a pause' | 'in an error') => {
    const stopping = new AbortController();
    const ends: (() => void)[] = [];
    let steps = 0;
    const loop: StepLoop = new StepLoop(
      async () => {
        steps++;
        await new Promise<void>((resolve) => ends.push(resolve));
        if (ending === 'in an error') throw new Error('out of reach');
        loop.pause();
        return false;
      },
      () => undefined,
      stopping.signal,
    );
    const begun = async (count: number): Promise<() => void> => {
      await until(() => steps === count);
      const end = ends.shift();
      assert.ok(end !== undefined);
      return end;
    };
    const stop = async (): Promise<void> => {
      stopping.abort();
      for (const end of ends) end();
      await loop.stop();
    };
    return { loop, begun, stop, steps: () => steps };
  };

  for (const ending of ['in a pause', 'in an error'] as const) {
    it(`steps again at once where something changed during a step that ends ${ending}`, async () => {
      const { loop, begun, stop } = make(ending);
      loop.open();
      // Longer pauses each time: the last would be over after half a minute.
      for (let step = 1; step <= 6; step++) {
        const end = await begun(step);
        loop.resume();
        end();
      }
      (await begun(7))();
      await stop();
    });

    it(`waits after a step that ends ${ending}, also where it is woken`, async () => {
      const { loop, begun, stop, steps } = make(ending);
      loop.open();
      const end = await begun(1);
      loop.wake();
      end();
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      loop.wake();
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      assert.equal(steps(), 1);
      loop.resume();
      (await begun(2))();
      await stop();
    });
  }
});
