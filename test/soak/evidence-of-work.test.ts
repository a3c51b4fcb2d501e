import assert from 'node:assert/strict';
import type { Hex } from '../../src/codec/index.ts';
import { provesTooLittle } from './evidence-of-work.ts';
import { Excuses } from './excuses.ts';
import type { Span } from './gaps.ts';
import type { RecipientEntry, SenderEntry } from './ledger.ts';

const to: Hex = `0x${'bb'.repeat(32)}`;
const queued: SenderEntry = { event: 'queued', text: 's 1', nonce: '1' };
const inBlock: SenderEntry = { event: 'in-block', to, nonce: '1', messageId: to, block: 1, hash: to };
const delivered: RecipientEntry = {
  ...{ event: 'delivered', id: to, from: to, fromKind: 'worker', nonce: '1', text: 's 1', isFinal: true },
};

describe('soak: a run in which too little happened', () => {
  const whyOf = (
    sent: readonly SenderEntry[],
    received: readonly RecipientEntry[],
    {
      missedByGap = 0,
      times = 1,
      injected = 'sockets cut',
      mayMiss = new Map<Hex, Span[]>(),
      failed = 0,
      queued = 9,
    } = {},
  ): string[] => {
    const excused = new Excuses();
    excused.add('failed: nobody can know whether it came in, since others used its sequence', failed);
    return provesTooLittle(
      {
        senders: [{ id: 'worker 1', entries: [{ event: 'started' }, ...sent] }],
        recipients: [{ id: to, finality: 'finalized', entries: [{ event: 'started' }, ...received] }],
        mayMiss,
      },
      { queued, commands: 1, missedByGap, excused },
      new Map([[injected, times]]),
    );
  };

  it('is one where nothing was sent, nothing arrived, or what was to go wrong never did', () => {
    assert.deepEqual(whyOf([inBlock], []), ['worker 1 queued nothing', `nothing was delivered to ${to}`]);
    assert.deepEqual(whyOf([queued], [delivered]), []);
    const injected = 'reorg that keeps the extrinsics';
    assert.deepEqual(whyOf([queued], [delivered], { injected }), ['worker 1 was told of no block']);
    assert.deepEqual(whyOf([queued, inBlock], [delivered], { injected }), []);
    assert.deepEqual(whyOf([queued, inBlock], [delivered], { times: 0 }), ['never injected: sockets cut']);
  });

  it('is one where blocks were forgotten while a recipient was away, and it told of no gap', () => {
    const sent = [queued, inBlock];
    const mayMiss = new Map([[to, [{ first: 3, last: 5 }]]]);
    const gap = (first: number, last: number): RecipientEntry => ({ event: 'gap', first, last });
    assert.deepEqual(whyOf(sent, [delivered, gap(5, 5)], { mayMiss }), []);
    for (const received of [[delivered], [delivered, gap(1, 2)]])
      assert.match(whyOf(sent, received, { mayMiss })[0] ?? '', /told of no gap, and blocks 3 to 5/);
  });

  it('is one where gaps excuse more than half of the messages', () => {
    assert.deepEqual(whyOf([queued, inBlock], [delivered], { missedByGap: 5, queued: 10 }), []);
    assert.match(whyOf([queued, inBlock], [delivered], { missedByGap: 6, queued: 10 })[0] ?? '', /^6 of 10 messages/);
  });

  it('is one where something is excused that nothing was injected for, or too much', () => {
    const injected = 'a message that other software of a worker posts with its next sequence';
    const sent = [queued, inBlock];
    assert.deepEqual(whyOf(sent, [delivered], { failed: 2, injected, queued: 39 }), []);
    const many = whyOf(sent, [delivered], { failed: 3, injected, queued: 39 });
    assert.match(many.join(), /^3 × failed: nobody can know.*: too many of 40 are excused$/);
    const causeless =
      /^1 × failed: nobody can know.*: excused, and nothing was injected that is called "other software/;
    assert.match(whyOf(sent, [delivered], { failed: 1 }).join(), causeless);
    assert.match(whyOf(sent, [delivered], { failed: 1, injected, times: 0 })[1] ?? '', causeless);
  });
});
