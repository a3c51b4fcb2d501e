import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { runOptions } from './run-options.ts';

const given = ['--minutes', '0.5', '--seed', '7', '--node', 'real', '--without', 'reorg'];

describe('soak: what a run is told', () => {
  it('is taken as it is meant, and refused where it means nothing', () => {
    assert.deepEqual(runOptions(given, 'a-node'), { minutes: 0.5, seed: 7, node: 'real', without: ['reorg'] });
    for (const [args, refusal] of [
      [['--minutes', 'abc'], /--minutes abc is no number/],
      [['--seed', 'x'], /--seed x is no whole number/],
      [['--node', 'rael'], /--node rael is neither/],
      [['--without', 'roerg'], /--without roerg leaves nothing out/],
      [['--mintues', '1'], /--mintues/],
      [['--seed'], /--seed/],
      [['7'], /'7'/],
    ] as const)
      assert.throws(() => runOptions([...given, ...args], 'a-node'), refusal);
    assert.throws(() => runOptions(given, undefined), /--node real needs KHALA_RELAY_NODE/);
  });

  it('is refused in a line, with exit code 2, and nothing is run', () => {
    const main = fileURLToPath(new URL('main.ts', import.meta.url));
    const { status, stdout, stderr } = spawnSync(process.execPath, ['--import=tsx', main, '--minutes', 'abc'], {
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout, stderr], [2, '', 'soak: --minutes abc is no number\n']);
  }).timeout(60_000);
});
