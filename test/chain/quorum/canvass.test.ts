import assert from 'node:assert/strict';
import { Canvass } from '../../../src/chain/quorum/canvass.ts';
import { NodeFaults } from '../../../src/chain/rpc/node-faults.ts';
import type { Connection } from '../../../src/chain/rpc/connection.ts';
import { silentLogger } from '../../../src/chain/logger.ts';
import { ManualClock } from '../../support/manual-clock.ts';

describe('an endpoint that has not answered when all is decided', () => {
  it('is asked ever more seldom, some minutes apart in the end, and heard when it answers', async () => {
    const [quick, late] = ['ws://a.example', 'ws://late.example'] as const;
    const clock = new ManualClock(1_700_000_000_000);
    const ended = new AbortController();
    const connection = {
      options: { endpoints: [quick, late], backoff: { random: () => 1 }, logger: silentLogger },
      ...{ stopped: ended.signal, faults: new NodeFaults(() => 0), hasLeft: () => false },
    } as unknown as Connection;
    let asked = 0;
    let has = false;
    let heard: number | undefined;
    const winner = await new Canvass(connection, clock, 1).hold<number, number>({
      about: 'a test',
      ask: (url) => {
        if (url === quick) return Promise.resolve(1);
        asked += 1;
        return has ? Promise.resolve(2) : Promise.reject(new Error('method not found'));
      },
      decide: (answers) => answers.get(quick),
      late: (answers) => (heard = answers.get(late)),
      asksOn: true,
    });
    assert.equal(winner, 1);
    const pass = async (minutes: number): Promise<void> => {
      for (let seconds = 0; seconds < minutes * 60; seconds++) {
        clock.advance(1_000);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await pass(60);
    assert.ok(asked <= 20, `asked ${asked} times`);
    const before = asked;
    await pass(60);
    assert.ok(asked - before >= 5 && asked - before <= 7, `then ${asked - before} times`);
    has = true;
    await pass(11);
    assert.equal(heard, 2);
    const last = asked;
    await pass(60);
    assert.equal(asked, last);
    ended.abort();
  });
});
