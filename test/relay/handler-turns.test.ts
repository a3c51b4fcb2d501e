import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { HandlerTurns, type HandlerTurnsOptions } from '../../src/relay/handler-turns.ts';
import { until } from '../support/until.ts';

describe('relay: turns of handlers', () => {
  const idOf = (name: number): Hex => `0x${name.toString(16).padStart(64, '0')}`;

  /** Handlers that end when they are told to. */
  const make = (options: HandlerTurnsOptions = {}) => {
    const turns = new HandlerTurns(options);
    const running = new Map<string, () => void>();
    const begin = (sender: number, name: string, registered = false): Promise<string> =>
      turns.run({ from: idOf(sender), registered }, async () => {
        await new Promise<void>((resolve) => running.set(name, resolve));
        running.delete(name);
        return name;
      });
    const names = async (count: number): Promise<string[]> => {
      await until(() => running.size === count);
      return [...running.keys()];
    };
    return { begin, running, names };
  };

  it('give one sender a quarter, in its order, and the next one finds a place at once', async () => {
    const { begin, running, names } = make();
    const ended = [1, 2, 3, 4, 5, 6].map((n) => begin(1, `slow ${n}`));
    const other = begin(2, 'other');
    assert.deepEqual(await names(5), ['slow 1', 'slow 2', 'slow 3', 'slow 4', 'other']);
    running.get('other')?.();
    assert.equal(await other, 'other');
    running.get('slow 2')?.();
    assert.equal(await ended[1], 'slow 2');
    assert.deepEqual(await names(4), ['slow 1', 'slow 3', 'slow 4', 'slow 5']);
  });

  it('leave some to registered senders, however many keys a stranger has', async () => {
    const { begin, names } = make();
    for (let n = 0; n < 100; n++) void begin(n, `stranger ${n}`);
    assert.equal((await names(12)).length, 12);
    void begin(1_000, 'registered', true);
    assert.deepEqual((await names(13)).at(-1), 'registered');
  });

  it('let senders take turns, whatever one has waiting', async () => {
    const { begin, running, names } = make({ concurrency: 1 });
    for (let n = 0; n < 3; n++) void begin(1, `first ${n}`);
    void begin(2, 'second');
    for (const name of ['first 0', 'first 1', 'second', 'first 2']) {
      const end = await until(() => running.get(name));
      assert.deepEqual(await names(1), [name]);
      end();
    }
  });

  it('are taken by all that wait, however many one sender has, in its order', async () => {
    const { begin, running } = make({ concurrency: 4 });
    const all = Array.from({ length: 1_000 }, (_, n) => `message ${n}`);
    const started: string[] = [];
    const ended = all.map((name) => begin(1, name, true));
    for (const name of all) {
      const end = await until(() => running.get(name));
      started.push(...running.keys());
      end();
      assert.equal(await ended.shift(), name);
    }
    assert.deepEqual([...new Set(started)], all);
  });

  it('are those of the message, where its sender registers or goes while others of it wait', async () => {
    for (const isKnownAtFirst of [true, false]) {
      const { begin, running, names } = make();
      const ended = Array.from({ length: 40 }, (_, n) => begin(1, `${n}`, n < 20 ? isKnownAtFirst : !isKnownAtFirst));
      for (let n = 0; n < 40; n++) {
        const end = await until(() => running.get(`${n}`));
        end();
        await ended[n];
      }
      for (let n = 0; n < 20; n++) void begin(100 + n, `stranger ${n}`);
      assert.equal((await names(12)).length, 12);
      for (let n = 0; n < 20; n++) void begin(200 + n, `registered ${n}`, true);
      assert.equal((await names(16)).length, 16);
    }
  });

  it('go on after a handler that failed', async () => {
    const turns = new HandlerTurns({ concurrency: 1 });
    const message = { from: idOf(1), registered: true };
    await assert.rejects(
      turns.run(message, () => Promise.reject(new Error('out of order'))),
      /out of order/,
    );
    assert.equal(await turns.run(message, () => Promise.resolve(7)), 7);
  });
});
