import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { KeyedScheduler } from '../../src/relay/keyed-scheduler.ts';
import { until } from '../support/until.ts';
import { Cleanup } from './support.ts';

describe('keyed scheduler', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const make = (work: (key: string) => Promise<boolean>, concurrency = 2) => {
    const errors: unknown[] = [];
    const scheduler = new KeyedScheduler<string>({
      ...{ work, concurrency },
      backoff: { firstMs: 1, mostMs: 4 },
      failed: (_, error) => errors.push(error),
    });
    return { scheduler: cleanup.add(scheduler, (made) => made.stop()), errors };
  };

  it('works for one key once at a time, and again for a wake meanwhile', async () => {
    const gates: (() => void)[] = [];
    let running = 0;
    const { scheduler } = make(async () => {
      assert.equal(++running, 1);
      await new Promise<void>((resolve) => gates.push(resolve));
      running -= 1;
      return true;
    });
    for (let n = 0; n < 3; n++) scheduler.wake('a');
    await until(() => gates.length === 1);
    scheduler.wake('a');
    scheduler.wake('a');
    gates[0]?.();
    await until(() => gates.length === 2);
    gates[1]?.();
    await until(() => running === 0);
    assert.equal(gates.length, 2);
  });

  it('works for so many keys at once and no more', async () => {
    const gates = new Map<string, () => void>();
    const { scheduler } = make(async (key) => {
      await new Promise<void>((resolve) => gates.set(key, resolve));
      gates.delete(key);
      return true;
    });
    for (const key of ['a', 'b', 'c', 'd']) scheduler.wake(key);
    await until(() => gates.size === 2);
    assert.deepEqual([...gates.keys()], ['a', 'b']);
    gates.get('a')?.();
    await until(() => gates.has('c'));
    assert.deepEqual([...gates.keys()], ['b', 'c']);
    for (const key of ['b', 'c']) gates.get(key)?.();
    await until(() => gates.has('d'));
    gates.get('d')?.();
  });

  it('tries a failing key again and again, and holds up no other', async () => {
    let attempts = 0;
    const done: string[] = [];
    const { scheduler, errors } = make(async (key) => {
      if (key !== 'bad') return done.push(key) > 0;
      if (++attempts % 2 === 0) throw new Error('bad');
      return attempts >= 5;
    }, 1);
    scheduler.wake('bad');
    for (let n = 0; n < 20; n++) scheduler.wake(`good ${n}`);
    await until(() => done.length === 20 && attempts === 5);
    assert.equal(errors.length, 2);
  });

  it('waits for what runs when it stops, and starts nothing more', async () => {
    let finished = false;
    let open = (): void => undefined;
    const { scheduler } = make(async () => {
      await new Promise<void>((resolve) => (open = resolve));
      finished = true;
      return false;
    });
    scheduler.wake('a');
    scheduler.wake('a');
    const stopping = scheduler.stop();
    open();
    await stopping;
    assert.ok(finished);
    finished = false;
    scheduler.wake('b');
    await new Promise(setImmediate);
    assert.equal(finished, false);
  });
});
