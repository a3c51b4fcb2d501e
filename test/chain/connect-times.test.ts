import assert from 'node:assert/strict';
import { connectChain, type ConnectOptions } from '../../src/chain/index.ts';
import { withCode } from './support.ts';

describe('times of a connection', () => {
  const refused: readonly (readonly [name: string, Partial<ConnectOptions>, ms: number])[] = [
    ['timeoutMs', { timeoutMs: 0 }, 0],
    ['timeoutMs', { timeoutMs: -1 }, -1],
    ['timeoutMs', { timeoutMs: Number.NaN }, Number.NaN],
    ['timeoutMs', { timeoutMs: Infinity }, Infinity],
    ['timeoutMs', { timeoutMs: 2 ** 31 }, 2 ** 31],
    ['silenceMs', { silenceMs: 2 ** 31 }, 2 ** 31],
    ['backoff.minMs', { backoff: { minMs: 0 } }, 0],
    ['backoff.maxMs', { backoff: { maxMs: 1e12 } }, 1e12],
  ];
  for (const [name, options, ms] of refused)
    it(`are refused where no timer can wait so: ${name} of ${ms}`, async () => {
      const connecting = connectChain({ endpoints: ['ws://127.0.0.1:9'], ...options });
      await assert.rejects(connecting, withCode('bad-setting', name));
    });

  for (const ms of [1, 2 ** 31 - 1])
    it(`are taken where a timer can wait so: ${ms}`, async () => {
      const times = { silenceMs: ms, backoff: { minMs: ms, maxMs: ms } };
      // What is wrong comes to light behind them.
      const connecting = connectChain({ endpoints: ['ws://127.0.0.1:9'], timeoutMs: ms, quorum: 2, ...times });
      await assert.rejects(connecting, withCode('bad-quorum'));
    });
});
