import assert from 'node:assert/strict';
import { LagPatience } from '../../../src/chain/quorum/lag-patience.ts';
import type { Hex } from '../../../src/codec/index.ts';

const block: Hex = `0x${'12'.repeat(32)}`;

describe('an endpoint that lacks a block', () => {
  it('and never says that it is in sync is waited for, with a warning each eight blocks', async () => {
    const warned: object[] = [];
    const logger = { debug: () => undefined, warn: (facts: object) => void warned.push(facts) };
    // As of a node that is cut off all others.
    const health = { isSyncing: false, peers: 0, shouldHavePeers: true };
    const patience = new LagPatience(
      { ask: () => Promise.resolve(health) },
      { newest: () => Promise.reject(new Error('not asked')) },
      logger,
    );
    const url = 'ws://node.example';
    const told = async (number: number): Promise<number> => {
      assert.equal(await patience.mayBeBehind(url, block, number), true);
      return warned.length;
    };
    assert.equal(await told(100), 0);
    assert.equal(await told(107), 0);
    assert.equal(await told(108), 1);
    assert.equal(await told(115), 1);
    assert.equal(await told(116), 2);
    assert.deepEqual(warned, [
      { url, block },
      { url, block },
    ]);
    Object.assign(health, { peers: 3 });
    assert.equal(await told(124), 2);
    assert.equal(await patience.mayBeBehind(url, block, 132), false);
  });
});
