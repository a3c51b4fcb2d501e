import assert from 'node:assert/strict';
import type { Context } from '../../src/cli/command.ts';
import { AwaitedWords } from '../../src/cli/send/awaited-words.ts';
import { RelayError } from '../../src/errors/index.ts';
import type { DeliveryReceipt, Receipt } from '../../src/outbox/index.ts';
import { onAbort } from '../../src/signals/index.ts';
import { rejected } from '../support/expect-error.ts';

const to = `0x${'0b'.repeat(32)}` as const;

describe('cli: words that are awaited', () => {
  const make = (timeout = 60) => {
    const printed: bigint[] = [];
    const given = new AbortController();
    const awaited = new AwaitedWords('delivered', {
      settings: { timeout },
      signal: given.signal,
      output: { print: (line: { readonly sendId: bigint }) => printed.push(line.sendId) },
    } as unknown as Context<object>);
    /** Asks for one more. */
    const ask = (sendId: bigint) => {
      let comes = (): void => undefined;
      let fails = (_: Error): void => undefined;
      const word = new Promise<DeliveryReceipt>((resolve, reject) => {
        comes = () => {
          resolve({ deliveredAt: 1 });
        };
        fails = reject;
      });
      const receipt = {
        sendId,
        delivered: (signal: AbortSignal) => {
          onAbort(signal, () => {
            fails(new RelayError('aborted'));
          });
          return word;
        },
        reached: () => Promise.resolve({ messageId: to }),
      } as unknown as Receipt;
      awaited.add({ receipt, to });
      const never = (): void => {
        fails(new RelayError('delivery-untold', { details: { sendId, reason: 'it is old' } }));
      };
      const breaks = (): void => {
        fails(new TypeError('not a word'));
      };
      return { comes, never, breaks };
    };
    return { awaited, ask, printed, given };
  };
  /** Whether it is over, once all that is ready has run. */
  const isOver = async (promise: Promise<void>): Promise<boolean> => {
    let over = false;
    void promise.then(() => (over = true));
    await new Promise(setImmediate);
    return over;
  };

  it('let on who has more to ask once no more than so many were asked since the oldest that is left, and print each as it comes', async () => {
    const { awaited, ask, printed } = make();
    const [first, second, third] = [ask(1n), ask(2n), ask(3n)];
    await awaited.until(3);
    const room = awaited.until(2);
    assert.equal(await isOver(room), false);
    // The queue forgets the first by its age, whatever came of later ones.
    second.comes();
    assert.equal(await isOver(room), false);
    first.comes();
    await room;
    assert.deepEqual(printed, [2n, 1n]);
    const all = awaited.until(0);
    assert.equal(await isOver(all), false);
    third.comes();
    await all;
    assert.deepEqual(printed, [2n, 1n, 3n]);
    assert.equal(awaited.untold, undefined);
  });

  it('hold up who has more to ask for one that is late, though all others came', async () => {
    const { awaited, ask } = make();
    const late = ask(1n);
    for (let id = 2n; id <= 8_193n; id++) {
      ask(id).comes();
      if (id === 8_192n) await awaited.until(8_192);
    }
    const room = awaited.until(8_192);
    assert.equal(await isOver(room), false);
    late.comes();
    await room;
  });

  it('make room also where none will come, of which the first and their number are kept', async () => {
    const { awaited, ask, printed } = make();
    for (let id = 1n; id <= 1_000n; id++) {
      ask(id).never();
      await awaited.until(0);
    }
    assert.deepEqual([awaited.untold?.error.details?.['sendId'], awaited.untold?.count], [1n, 1_000]);
    assert.deepEqual(printed, []);
  });

  it('are not waited for past a defect, which is no word on a message, whether others are left or none is', async () => {
    const { awaited, ask, printed } = make();
    const [first] = [1n, 2n].map(ask);
    const all = awaited.until(0);
    first?.breaks();
    assert.equal((await rejected(all, 'internal')).details?.['reason'], 'not a word');
    await rejected(awaited.until(2), 'internal');
    assert.equal(awaited.untold, undefined);
    assert.deepEqual(printed, []);
  });

  it('are given up where none comes for as long as patience lasts', async () => {
    const { awaited, ask, printed } = make(0.2);
    const [first] = [1n, 2n, 3n].map(ask);
    first?.comes();
    const { details } = await rejected(awaited.until(0), 'not-delivered-yet');
    assert.equal(details?.['count'], 2);
    assert.deepEqual(printed, [1n]);
  });

  it('are waited for no more once the command is to end', async () => {
    const { awaited, ask, given } = make();
    ask(1n);
    const ended = rejected(awaited.until(0), 'aborted');
    given.abort();
    await ended;
    awaited[Symbol.dispose]();
  });
});
