import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { AnswerQueue } from '../../src/relay/answer-queue.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';

const [lost, other]: readonly [Hex, Hex] = ['0x01', '0x02'];
const arrives = () => Promise.resolve(true);

describe('relay: answers on their way', () => {
  const never = new AbortController().signal;
  /** Answers that are under way until they are ended. */
  const held = () => {
    const ends: ((hasArrived: boolean) => void)[] = [];
    return { ends, deliver: () => new Promise<boolean>((resolve) => ends.push(resolve)) };
  };

  it('to one who takes none hold up no others, and those past a few are given up', async () => {
    const queue = new AnswerQueue({ perAsker: 8, perAbsent: 2, absentMs: 20 });
    const { ends, deliver } = held();
    for (let n = 0; n < 8; n++) await queue.begin(lost, deliver, never);
    const error = await rejected(queue.begin(lost, deliver, never), 'reply-undelivered');
    assert.match(error.message, /none arrives/);
    await queue.begin(other, arrives, never);
    for (const end of ends.splice(0)) end(false);
    await queue.idle();
    // It is remembered.
    for (let n = 0; n < 2; n++) await queue.begin(lost, deliver, never);
    await rejected(queue.begin(lost, deliver, never), 'reply-undelivered');
    // Until one arrives.
    ends[0]?.(true);
    await until(async () =>
      queue.begin(lost, arrives, never).then(
        () => true,
        () => false,
      ),
    );
    for (const end of ends) end(true);
    await queue.idle();
  });

  it('to one who takes them wait for room, and none is given up', async () => {
    const queue = new AnswerQueue({ perAsker: 2, absentMs: 600_000 });
    let arrived = 0;
    const slow = () => new Promise<boolean>((resolve) => setTimeout(() => resolve(++arrived > 0), 1));
    for (let n = 0; n < 50; n++) await queue.begin(other, slow, never);
    await queue.idle();
    assert.equal(arrived, 50);
  });

  it('are so many at most, whoever asked', async () => {
    const queue = new AnswerQueue({ limit: 2, absentMs: 600_000 });
    const { ends, deliver } = held();
    await queue.begin(lost, deliver, never);
    await queue.begin(other, deliver, never);
    let begun = false;
    const third = queue.begin('0x03', deliver, never).then(() => (begun = true));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(begun, false);
    ends[0]?.(true);
    await third;
    for (const end of ends) end(true);
    await queue.idle();
  });

  it('do not begin once it is stopped', async () => {
    const queue = new AnswerQueue({ limit: 1, absentMs: 600_000 });
    const { ends, deliver } = held();
    const stop = new AbortController();
    await queue.begin(lost, deliver, stop.signal);
    const waiting = queue.begin(other, deliver, stop.signal);
    stop.abort();
    ends[0]?.(false);
    await rejected(waiting, 'aborted');
    await rejected(queue.begin(other, deliver, stop.signal), 'aborted');
    await queue.idle();
  });
});
