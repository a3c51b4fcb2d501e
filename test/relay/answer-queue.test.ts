import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import type { Hex } from '../../src/codec/index.ts';
import { AnswerQueue, type AnswerTo } from '../../src/relay/answer-queue.ts';
import { rejected } from '../support/expect-error.ts';
import { until } from '../support/until.ts';

const asker = (id: Hex, registered = false): AnswerTo => ({ id, registered });
const [lost, other] = [asker('0x01'), asker('0x02')];
const arrives = () => Promise.resolve(true);

describe('relay: answers on their way', () => {
  const never = new AbortController().signal;
  /** Answers that are under way until they are ended. */
  const held = () => {
    const ends: ((hasArrived: boolean) => void)[] = [];
    return { ends, deliver: () => new Promise<boolean>((resolve) => ends.push(resolve)) };
  };

  const moment = () => new Promise((resolve) => setImmediate(resolve));

  it('to one who takes none wait in no place of others, a few are tried, and the rest is given up', async () => {
    const queue = new AnswerQueue({ perAbsent: 2, waitingPerNew: 6, absentMs: 20 });
    const { ends, deliver } = held();
    const taken = [];
    for (let n = 0; n < 6; n++) taken.push(await queue.begin(lost, deliver, never));
    await rejected(queue.begin(lost, deliver, never), 'reply-undelivered');
    assert.equal(ends.length, 2);
    const { over } = await queue.begin(other, arrives, never);
    assert.equal(await over, true);
    for (const { over: waited } of taken.slice(2)) await rejected(waited, 'reply-undelivered');
    const error = await rejected(queue.begin(lost, deliver, never), 'reply-undelivered');
    assert.match(error.message, /none arrives/);
    for (const end of ends.splice(0)) end(false);
    await queue.idle();
    // It is remembered, until one arrives.
    for (let n = 0; n < 2; n++) await queue.begin(lost, deliver, never);
    await rejected(queue.begin(lost, deliver, never), 'reply-undelivered');
    for (const end of ends.splice(0)) end(true);
    await queue.idle();
    for (let n = 0; n < 3; n++) await queue.begin(lost, arrives, never);
    await queue.idle();
  });

  it('are kept while one who took them, or is registered, is away for a while', async () => {
    const queue = new AnswerQueue({ perAsker: 3, perAbsent: 1, absentMs: 1 });
    await queue.begin(other, arrives, never);
    await queue.idle();
    const { ends, deliver } = held();
    const waited: Promise<boolean>[] = [];
    for (const to of [other, asker('0x03', true)]) {
      for (let n = 0; n < 8; n++) waited.push((await queue.begin(to, deliver, never)).over);
      await new Promise((resolve) => setTimeout(resolve, 5));
      waited.push((await queue.begin(to, deliver, never)).over);
    }
    assert.equal(ends.length, 6);
    const done = queue.idle();
    await until(() => {
      for (const end of ends.splice(0)) end(true);
      return Promise.race([done.then(() => true), moment().then(() => false)]);
    });
    assert.deepEqual(await Promise.all(waited), Array(18).fill(true));
  });

  it('are given up when their turn does not come in time', async () => {
    const queue = new AnswerQueue({ perAsker: 1, patienceMs: 5 });
    const { ends, deliver } = held();
    const to = asker('0x03', true);
    await queue.begin(to, deliver, never);
    const { over } = await queue.begin(to, deliver, never);
    await rejected(over, 'reply-undelivered');
    ends[0]?.(true);
    await queue.idle();
    assert.equal(ends.length, 1);
  });

  it('to one who takes them wait for their turn, and none is given up', async () => {
    const queue = new AnswerQueue({ perAsker: 2, absentMs: 600_000 });
    let arrived = 0;
    const slow = () => new Promise<boolean>((resolve) => setTimeout(() => resolve(++arrived > 0), 1));
    for (let n = 0; n < 50; n++) await queue.begin(other, slow, never);
    await queue.idle();
    assert.equal(arrived, 50);
  });

  it('to strangers, however many they are, leave room for those to registered askers', async () => {
    const queue = new AnswerQueue({ limit: 4, strangerPart: 0.5, absentMs: 600_000 });
    const { ends, deliver } = held();
    for (const to of [lost, other]) await queue.begin(to, deliver, never);
    await rejected(queue.begin(asker('0x03'), deliver, never), 'reply-undelivered');
    for (const id of ['0x04', '0x05'] as const) await queue.begin(asker(id, true), deliver, never);
    let begun = false;
    const fifth = queue.begin(asker('0x06', true), deliver, never).then(() => (begun = true));
    await moment();
    assert.equal(begun, false);
    ends[0]?.(true);
    await fifth;
    for (const end of ends) end(true);
    await queue.idle();
  });

  it('hold so many bytes at most, one asker an eighth of them, and strangers a part, but one is taken however large', async () => {
    const queue = new AnswerQueue({ limitBytes: 800, strangerPart: 0.5, absentMs: 600_000 });
    const { ends, deliver } = held();
    const begin = (to: AnswerTo, bytes: number) => queue.begin(to, deliver, never, bytes);
    await begin(lost, 60);
    assert.match((await rejected(begin(lost, 60), 'reply-undelivered')).message, /60 bytes/);
    await begin(other, 340);
    assert.match((await rejected(begin(asker('0x03'), 1), 'reply-undelivered')).message, /400 bytes/);
    await begin(asker('0x04', true), 400);
    let begun = false;
    const large = begin(asker('0x05', true), 5_000).then(() => (begun = true));
    for (const end of ends.splice(0, 2)) end(true);
    await moment();
    assert.equal(begun, false);
    for (const end of ends.splice(0)) end(true);
    await large;
    for (const end of ends.splice(0)) end(true);
    await queue.idle();
    await begin(lost, 60);
    for (const end of ends.splice(0)) end(true);
    await queue.idle();
  });

  it('do not begin once it is stopped', async () => {
    const queue = new AnswerQueue({ limit: 2, perAsker: 1, absentMs: 600_000 });
    const { ends, deliver } = held();
    const stop = new AbortController();
    const to = asker('0x03', true);
    await queue.begin(to, deliver, stop.signal);
    const { over } = await queue.begin(to, deliver, stop.signal);
    const waiting = queue.begin(asker('0x04', true), deliver, stop.signal);
    stop.abort();
    await rejected(over, 'aborted');
    await rejected(waiting, 'aborted');
    await rejected(queue.begin(other, deliver, stop.signal), 'aborted');
    ends[0]?.(false);
    await queue.idle();
    assert.equal(ends.length, 1);
  });
});
