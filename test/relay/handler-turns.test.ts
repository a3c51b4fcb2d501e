import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { isRelayError } from '../../src/errors/index.ts';
import { HandlerTurns, type HandlerTurnsOptions } from '../../src/relay/handler-turns.ts';
import { until } from '../support/until.ts';

describe('relay: turns of handlers', () => {
  const contract: Hex = `0x${'c0'.repeat(32)}`;
  const idOf = (name: number): Hex => `0x${name.toString(16).padStart(64, '0')}`;
  const isFull = (error: unknown): boolean => isRelayError(error, 'handler-failed');

  /** Handlers that end when they are told to. */
  const make = (options: HandlerTurnsOptions = {}) => {
    const turns = new HandlerTurns(options);
    const running = new Map<string, () => void>();
    const begin = (sender: number, name: string, registered = false, size = 1): Promise<string> =>
      turns.run(
        {
          ...{ messageId: idOf(0), from: idOf(sender), registered },
          body: { kind: 'invocation', to: contract, input: new Uint8Array(size) },
        },
        async () => {
          await new Promise<void>((resolve) => running.set(name, resolve));
          running.delete(name);
          return name;
        },
      );
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

  it('hold so much of one sender, and of strangers, and refuse what is beyond; what ended makes room', async () => {
    const { begin, running, names } = make({ limit: 16, limitBytes: 1_600 });
    for (let n = 0; n < 4; n++) void begin(1, `one ${n}`);
    await assert.rejects(begin(1, 'beyond'), isFull);
    void begin(2, 'large', false, 390);
    await assert.rejects(begin(2, 'too large with it', false, 20), isFull);
    for (let n = 0; n < 3; n++) void begin(3 + n, `other ${n}`);
    await assert.rejects(begin(9, 'ninth of strangers'), isFull);
    void begin(10, 'registered, however large', true, 10_000);
    await names(9);
    running.get('one 0')?.();
    await names(8);
    void begin(9, 'ninth of strangers');
    await names(9);
  });

  it('go on after a handler that failed', async () => {
    const turns = new HandlerTurns({ concurrency: 1 });
    const message = {
      ...{ messageId: idOf(0), from: idOf(1), registered: true },
      body: { kind: 'data', content: new Uint8Array() },
    } as const;
    await assert.rejects(
      turns.run(message, () => Promise.reject(new Error('out of order'))),
      /out of order/,
    );
    assert.equal(await turns.run(message, () => Promise.resolve(7)), 7);
  });
});
