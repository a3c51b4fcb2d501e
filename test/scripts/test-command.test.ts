import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../support/import-graph.ts';

describe('scripts: npm test', () => {
  it('closes with a line that counts, alone, and fails when a test does', async () => {
    const { code, lines } = await runTests('mixed.ts');
    assert.equal(lines.at(-1), '2 passed, 1 failed, 1 skipped');
    assert.equal(code, 1);
  });

  it('succeeds when all tests do', async () => {
    const { code, lines } = await runTests('passing.ts');
    assert.equal(lines.at(-1), '1 passed, 0 failed');
    assert.equal(code, 0);
  });

  it('counts a file that can not be loaded as a failure', async () => {
    const { code, lines } = await runTests('unloadable.ts');
    assert.equal(lines.at(-1), '0 passed, 1 failed');
    assert.notEqual(code, 0);
  });

  it('passes arguments on to mocha', async () => {
    const { lines } = await runTests('mixed.ts', '-g', 'passes too');
    assert.equal(lines.at(-1), '1 passed, 0 failed');
  });

  it('runs the tests of a folder, and not the programs beside them', async () => {
    const { code, lines } = await run('test/channel', '-g', 'channel: nonces');
    assert.match(lines.at(-1) ?? '', /^[1-9]\d* passed, 0 failed$/);
    assert.equal(code, 0);
    assert.equal(existsSync(join(root, 'test', 'channel', 'data.mdb')), false);
  });

  it('runs nothing where a path is none', async () => {
    const { code, lines, errors } = await run('test/nowhere.test.ts');
    assert.deepEqual([code, lines], [1, ['']]);
    assert.match(errors, /there is no test\/nowhere\.test\.ts/);
  });

  it('fails and names what is left when the tests do not let the process end', async () => {
    const { code, lines, errors } = await runTests('leaking.ts', '--reporter-option', 'graceMs=200');
    assert.match(errors, /keep the process alive: Timeout/);
    assert.equal(lines.at(-1), '1 passed, 1 failed');
    assert.equal(code, 1);
  });
});

function runTests(fixture: string, ...args: readonly string[]) {
  return run(join('test', 'scripts', 'fixtures', fixture), ...args);
}

async function run(...args: readonly string[]) {
  const child = spawn(process.execPath, [join(root, 'scripts', 'test.mjs'), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const [code] = (await once(child, 'close')) as [number];
  return { code, lines: output.trimEnd().split('\n'), errors };
}
