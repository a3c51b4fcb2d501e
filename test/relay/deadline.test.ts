import assert from 'node:assert/strict';
import { endingSignal } from '../../src/relay/deadline.ts';
import { collectGarbage } from '../support/collect-garbage.ts';
import { until } from '../support/until.ts';

describe('a signal that ends', () => {
  it('ends when its time is over, whatever is collected meanwhile', async () => {
    const { signal } = endingSignal(50, new AbortController().signal);
    await until(() => {
      collectGarbage();
      return signal.aborted;
    });
    assert.equal((signal.reason as DOMException).name, 'TimeoutError');
  });

  it('ends with its caller, also one that ended before', () => {
    const caller = new AbortController();
    using before = endingSignal(60_000, caller.signal);
    assert.equal(before.signal.aborted, false);
    caller.abort('enough');
    using after = endingSignal(60_000, caller.signal);
    assert.deepEqual([before.signal.reason, after.signal.reason], ['enough', 'enough']);
  });

  it('leaves nothing in its caller, and does not end with it, when it is disposed of', () => {
    const caller = new AbortController();
    const before = endingSignal(60_000, caller.signal);
    before[Symbol.dispose]();
    caller.abort();
    assert.equal(before.signal.aborted, false);
  });
});
