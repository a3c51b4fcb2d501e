import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commandNames } from '../../src/cli/program.ts';

const bin = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
const run = promisify(execFile);

describe('cli: as it is built', () => {
  for (const name of commandNames)
    it(`${name} loads all that it needs`, async () => {
      const { stdout } = await run(process.execPath, [bin, name, '--help']);
      assert.match(stdout, new RegExp(`^Usage: khala-relay ${name}`));
    });
});
