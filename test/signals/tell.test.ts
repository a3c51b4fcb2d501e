import assert from 'node:assert/strict';
import { unhandled } from '../support/unhandled.ts';
import { tell } from '../../src/signals/index.ts';

describe('observers that callers give', () => {
  it('are called at once', () => {
    const told: number[] = [];
    tell(() => told.push(1));
    assert.deepEqual(told, [1]);
  });

  it('may throw: what called them goes on, and it is reported', async () => {
    const failure = new Error('an observer failed');
    const reported = await unhandled(async () => {
      tell(() => {
        throw failure;
      });
    });
    assert.deepEqual(reported, [failure]);
  });
});
