import assert from 'node:assert/strict';
import type { Context } from '../../src/cli/command.ts';
import type { Asked } from '../../src/cli/send/awaited-words.ts';
import { untilTold } from '../../src/cli/send/until-told.ts';
import { RelayError } from '../../src/errors/index.ts';
import type { Receipt } from '../../src/outbox/index.ts';
import { rejected } from '../support/expect-error.ts';

const to = `0x${'0b'.repeat(32)}` as const;

describe('cli: untilTold', () => {
  const printed: unknown[] = [];
  const context = {
    settings: { timeout: 60 },
    signal: new AbortController().signal,
    output: { print: (line: { readonly sendId: bigint }) => printed.push(line.sendId) },
  } as unknown as Context<object>;
  const asked = (sendId: bigint, delivered: () => Promise<unknown>): Asked => ({
    receipt: { sendId, delivered, reached: () => Promise.resolve({ messageId: to }) } as unknown as Receipt,
    to,
  });
  const untold = (sendId: bigint): Asked =>
    asked(sendId, () =>
      Promise.reject(new RelayError('delivery-untold', { details: { sendId, reason: 'it is old' } })),
    );
  const late = (sendId: bigint): Asked =>
    asked(sendId, () => new Promise((resolve) => setTimeout(resolve, 5, { deliveredAt: 1 })));

  beforeEach(() => void printed.splice(0));

  it('prints what comes after one that no word will come of, and throws then', async () => {
    const error = await rejected(
      untilTold('delivered', [untold(1n), late(2n), untold(3n)], context),
      'delivery-untold',
    );
    assert.equal(error.details?.['sendId'], 1n);
    assert.deepEqual(printed, [2n]);
  });

  it('tells of those that no word will come of instead, where they are of others', async () => {
    const told: unknown[] = [];
    await untilTold('delivered', [untold(1n), late(2n), untold(3n)], context, ({ details }, count) => {
      told.push(details?.['sendId'], count);
    });
    assert.deepEqual([told, printed], [[1n, 2], [2n]]);
  });
});
