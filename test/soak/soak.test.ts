import assert from 'node:assert/strict';
import { describeRealNode } from '../support/real-node.ts';
import { embeddedNode, realNode } from './node-under-test.ts';
import { report } from './report.ts';
import { soak } from './soak.ts';

const seed = 1;
/** A round may be short where everything finds its occasion at once: so many say something. */
const leastMessages = 400;
const roles = {
  senders: [
    { name: 'worker', as: 'worker', suri: '//Bob', isShared: true },
    { name: 'account', as: 'account', suri: '//Bob' },
  ],
  recipients: [
    { name: 'finalized', finality: 'finalized', suri: '//Ferdie' },
    { name: 'best', finality: 'best', suri: '//Ferdie' },
  ],
} as const;

describe('soak: a round of everything that may go wrong', function () {
  this.timeout(600_000);

  it('each message is delivered once and in order, and none that nobody sent', async () => {
    await using node = await embeddedNode();
    const result = await soak({ node, seed, roles, leastMessages, isOver: () => true });
    for (const line of report(result, seed)) console.log(line);
    assert.deepEqual(result.broken, []);
    // One round is short; npm run soak goes on, into the thousands.
    assert.ok(result.delivered > 100, `${result.delivered} were delivered`);
    assert.ok(result.commands > 10, `${result.commands} commands came in`);
    assert.equal(result.restarts, 0, 'the node was never away for so long that a process ended');
    const missed = [...result.injected].filter(([, times]) => times === 0);
    assert.deepEqual(missed, [], 'each kind of injection was made');
    for (const kind of [
      'kill -9 of a sender',
      'kill -9 of a recipient',
      'sockets cut',
      'die of age',
      'rotation',
      'blocks pruned',
    ])
      assert.ok([...result.injected.keys()].some((name) => name.includes(kind)));
  });
});

/** The rest, which needs time, or fares no differently there, is for `npm run soak -- --node real`. */
const onRealNode = ['kill -9 of a sender', 'kill -9 of a recipient', 'kill -9 of the node', 'sockets cut'];

describeRealNode('soak: a round on a real node', function () {
  this.timeout(600_000);

  it('each message is delivered once and in order, through kill -9 of the node and of both sides', async () => {
    await using node = await realNode();
    const result = await soak({ node, seed, roles, only: onRealNode, leastMessages: 40, isOver: () => true });
    for (const line of report(result, seed)) console.log(line);
    assert.deepEqual(result.broken, []);
    assert.ok(result.delivered > 10, `${result.delivered} were delivered`);
    assert.deepEqual([...result.injected.keys()].sort(), [...onRealNode].sort());
    assert.equal(result.missedByGap, 0, 'nothing was waited for to be pruned');
  });
});
