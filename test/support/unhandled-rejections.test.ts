import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { temporaryFolder } from './entities.ts';

const mocha = createRequire(import.meta.url).resolve('mocha/bin/mocha.js');

/** One test that a rejection leaves behind. */
const test = (late: string): string => `
it('goes on', async () => {
  const rejected = Promise.reject(new Error('of nobody'));
  ${late}
  await new Promise((resolve) => setTimeout(resolve, 5));
  rejected.catch(() => undefined);
});
`;

function run(path: string): Promise<{ readonly code: number; readonly said: string }> {
  return new Promise((resolve) => {
    execFile(process.execPath, [mocha, path], (error, stdout, stderr) => {
      resolve({ code: error === null ? 0 : Number(error.code), said: stdout + stderr });
    });
  });
}

describe('a run of tests', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>;
  before(async () => {
    folder = await temporaryFolder();
  });
  after(() => folder.remove());

  it('fails where a promise was rejected while nobody looked, and names the test, once', async () => {
    const path = join(folder.path, 'late.test.mjs');
    await writeFile(path, test(''));
    const { code, said } = await run(path);
    assert.equal(code, 1, said);
    assert.equal(said.split('goes on: Error: of nobody').length - 1, 1, said);
  });

  it('does not fail where somebody looked at once', async () => {
    const path = join(folder.path, 'early.test.mjs');
    await writeFile(path, test('rejected.catch(() => undefined);'));
    const { code, said } = await run(path);
    assert.equal(code, 0, said);
  });
});
