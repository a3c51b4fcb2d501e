import assert from 'node:assert/strict';
import { afterEach, describe, it } from 'mocha';
import { KeyedScheduler, type TurnOutcome } from '../../src/relay/keyed-scheduler.ts';
import { until } from '../support/until.ts';
import { Cleanup } from './support.ts';

describe('keyed scheduler', () => {
  const cleanup = new Cleanup();
  afterEach(() => cleanup.run());

  const make = (
    work: (key: string) => Promise<TurnOutcome>,
    concurrency = 2,
    perLane = concurrency,
    perGroup = concurrency,
  ) => {
    const errors: unknown[] = [];
    const scheduler = new KeyedScheduler<string>({
      ...{ work, concurrency, perLane, perGroup },
      // `host/key`, or a lane for all.
      laneOf: (key) => key.split('/').slice(0, -1).join('/'),
      // `group:name`, or a group of its own.
      groupOf: (key) => key.split(':')[0] ?? key,
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
      return 'done';
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
      return 'done';
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
      if (key !== 'bad') {
        done.push(key);
        return 'done';
      }
      if (++attempts % 2 === 0) throw new Error('bad');
      return attempts >= 5 ? 'done' : 'failed';
    }, 1);
    scheduler.wake('bad');
    for (let n = 0; n < 20; n++) scheduler.wake(`good ${n}`);
    await until(() => done.length === 20 && attempts === 5);
    assert.equal(errors.length, 2);
  });

  it('gives one lane a part of the turns, so that another finds one at once', async () => {
    const gates = new Map<string, () => void>();
    const { scheduler } = make(
      async (key) => {
        await new Promise<void>((resolve) => gates.set(key, resolve));
        gates.delete(key);
        return 'done';
      },
      4,
      2,
    );
    for (let n = 0; n < 10; n++) scheduler.wake(`slow/${n}`);
    scheduler.wake('other/1');
    await until(() => gates.has('other/1'));
    assert.deepEqual([...gates.keys()], ['slow/0', 'slow/1', 'other/1']);
    gates.get('slow/0')?.();
    await until(() => gates.has('slow/2'));
    for (let n = 1; n < 10; n++) (await until(() => gates.get(`slow/${n}`)))();
    gates.get('other/1')?.();
  });

  it('counts those whose last turn failed as one lane, whatever their own is', async () => {
    const failing = new Set<string>();
    let isOpen = false;
    const { scheduler } = make(
      async (key) => {
        if (failing.has(key)) await until(() => isOpen);
        const isFirst = !failing.has(key);
        failing.add(key);
        return isFirst ? 'failed' : 'done';
      },
      4,
      2,
    );
    for (let n = 0; n < 10; n++) scheduler.wake(`host ${n}/key`);
    await until(() => failing.size === 10);
    scheduler.wake('fresh/key');
    await until(() => failing.has('fresh/key'));
    isOpen = true;
  });

  it('gives one group a part of the turns, so that what failed of another is tried again, however many keys it has', async () => {
    const gates = new Map<string, () => void>();
    const failed = new Set<string>();
    const { scheduler } = make(
      async (key) => {
        if (failed.has(key)) await new Promise<void>((resolve) => gates.set(key, resolve));
        const isFirst = !failed.has(key);
        failed.add(key);
        return isFirst ? 'failed' : 'done';
      },
      8,
      4,
      2,
    );
    for (let n = 0; n < 100; n++) scheduler.wake(`hostile:${n}`);
    await until(() => failed.size === 100 && gates.size === 2);
    scheduler.wake('honest:1');
    await until(() => gates.has('honest:1'));
    assert.equal(gates.size, 3);
    // With as many hostile groups as there are turns too: they wait for it as it waits for them.
    for (const group of ['second', 'third']) for (let n = 0; n < 50; n++) scheduler.wake(`${group}:${n}`);
    scheduler.wake('honest:2');
    await until(() => failed.size === 202);
    let opened = 0;
    await until(() => {
      for (const [key, open] of gates) {
        if (key === 'honest:2') return true;
        gates.delete(key);
        opened += 1;
        open();
        break;
      }
      return gates.has('honest:2');
    });
    assert.ok(opened < 50, `after ${opened} turns`);
    const timer = setInterval(() => {
      for (const open of gates.values()) open();
    }, 1);
    cleanup.add(timer, () => undefined);
    await scheduler.stop();
    clearInterval(timer);
  });

  it('lets others have their turn before one that has more to do', async () => {
    const turns: string[] = [];
    const { scheduler } = make(async (key) => {
      turns.push(key);
      return turns.length < 6 ? 'more' : 'done';
    }, 1);
    for (const key of ['a', 'b', 'c']) scheduler.wake(key);
    await until(() => turns.length === 8);
    assert.deepEqual(turns.slice(0, 6), ['a', 'b', 'c', 'a', 'b', 'c']);
  });

  describe('that prepares keys', () => {
    /** What is being prepared, in order, each with what ends it; and the keys that had their turns. */
    const preparing = () => {
      const gates = new Map<string, (error?: Error) => void>();
      const errors: unknown[] = [];
      const done: string[] = [];
      const scheduler = new KeyedScheduler<string>({
        ...{ concurrency: 2, perLane: 2, perGroup: 2 },
        laneOf: () => 'lane',
        groupOf: (key) => key.split(':')[0] ?? key,
        backoff: { firstMs: 1, mostMs: 4 },
        isPrepared: (key) => key.startsWith('known'),
        prepare: (key) =>
          new Promise((resolve, reject) => {
            gates.set(key, (error) => {
              gates.delete(key);
              if (error === undefined) resolve();
              else reject(error);
            });
          }),
        work: (key) => {
          done.push(key);
          return Promise.resolve('done');
        },
        failed: (_, error) => errors.push(error),
      });
      return { scheduler: cleanup.add(scheduler, (made) => made.stop()), gates, errors, done };
    };

    it('does so for 256 at once and 16 of one group, and none of them takes a turn', async () => {
      const { scheduler, gates, done } = preparing();
      for (let n = 0; n < 40; n++) scheduler.wake(`0:${n}`);
      assert.equal(gates.size, 16);
      for (let group = 1; group < 20; group++) for (let n = 0; n < 40; n++) scheduler.wake(`${group}:${n}`);
      assert.equal(gates.size, 256);
      scheduler.wake('known:1');
      await until(() => done.length === 1);
      const most = { all: 0, ofGroup: 0 };
      while (gates.size > 0) {
        const groups = [...gates.keys()].map((key) => key.split(':')[0]);
        most.all = Math.max(most.all, groups.length);
        for (const group of groups)
          most.ofGroup = Math.max(most.ofGroup, groups.filter((other) => other === group).length);
        const ended = [...gates].slice(0, 50);
        for (const [, end] of ended) end();
        await until(() => ended.every(([key]) => done.includes(key)));
      }
      assert.deepEqual(most, { all: 256, ofGroup: 16 });
      assert.equal(new Set(done).size, 801);
    });

    it('lets the next group have what one does not get, whatever waits of that', async () => {
      const { scheduler, gates, done } = preparing();
      for (let n = 0; n < 1_000; n++) scheduler.wake(`hostile:${n}`);
      scheduler.wake('honest:1');
      assert.equal(gates.size, 17);
      gates.get('honest:1')?.();
      await until(() => done.includes('honest:1'));
      assert.equal(gates.size, 16);
      for (const [key, end] of [...gates]) {
        end();
        await until(() => done.includes(key));
        assert.equal(gates.size, 16);
      }
    });

    it('gives a key its turn also where that failed, and tells', async () => {
      const { scheduler, gates, errors, done } = preparing();
      scheduler.wake('a:1');
      gates.get('a:1')?.(new Error('no answer'));
      await until(() => done.length === 1);
      assert.deepEqual(errors, [new Error('no answer')]);
    });

    it('begins nothing more once it stops', async () => {
      const { scheduler, gates, done } = preparing();
      for (let n = 0; n < 20; n++) scheduler.wake(`a:${n}`);
      await scheduler.stop();
      for (const end of [...gates.values()]) end();
      await new Promise(setImmediate);
      assert.equal(gates.size, 0);
      assert.deepEqual(done, []);
    });
  });

  it('waits for what runs when it stops, and starts nothing more', async () => {
    let finished = false;
    let open = (): void => undefined;
    const { scheduler } = make(async () => {
      await new Promise<void>((resolve) => (open = resolve));
      finished = true;
      return 'failed';
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
