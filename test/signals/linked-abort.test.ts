import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { describe, it } from 'mocha';
import { LinkedAbort } from '../../src/signals/index.ts';
import { collectGarbage } from '../support/collect-garbage.ts';

describe('a linked controller', () => {
  it('fires with any of the signals given, also one that fired before, and by itself', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    using first = new LinkedAbort(one.signal, undefined, other.signal);
    using own = new LinkedAbort(one.signal);
    own.abort('own');
    assert.equal(first.signal.aborted, false);
    other.abort('other');
    using late = new LinkedAbort(one.signal, other.signal);
    assert.deepEqual(
      [first, own, late].map(({ signal }) => signal.reason as unknown),
      ['other', 'own', 'other'],
    );
    assert.equal(one.signal.aborted, false);
  });

  it('does not fire any more when it is disposed of', () => {
    const given = new AbortController();
    const linked = new LinkedAbort(given.signal);
    linked[Symbol.dispose]();
    given.abort();
    assert.equal(linked.signal.aborted, false);
  });

  it('leaves nothing in a signal that lives long', () => {
    const { signal } = new AbortController();
    const use = (times: number): void => {
      for (let n = 0; n < times; n++) {
        using linked = new LinkedAbort(signal);
        assert.equal(linked.signal.aborted, false);
      }
    };
    const heap = (): number => {
      collectGarbage();
      return process.memoryUsage().heapUsed;
    };
    use(1_000);
    const before = heap();
    use(200_000);
    // An entry each would be more than 50 bytes.
    assert.ok(heap() - before < 200_000 * 10);
    assert.ok(getEventListeners(signal, 'abort').length <= 1);
  });
});
