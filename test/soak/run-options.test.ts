import assert from 'node:assert/strict';
import { runOptions } from './run-options.ts';

const given = { minutes: '0.5', seed: '7', node: 'real', without: ['reorg'] };

describe('soak: what a run is told', () => {
  it('is taken as it is meant, and refused where it means nothing', () => {
    assert.deepEqual(runOptions(given), { minutes: 0.5, seed: 7, node: 'real', without: ['reorg'] });
    assert.throws(() => runOptions({ ...given, minutes: 'abc' }), /--minutes abc is no number/);
    assert.throws(() => runOptions({ ...given, seed: 'x' }), /--seed x is no whole number/);
    assert.throws(() => runOptions({ ...given, node: 'rael' }), /--node rael is neither/);
    assert.throws(() => runOptions({ ...given, without: ['reorg', 'roerg'] }), /--without roerg leaves nothing out/);
  });
});
