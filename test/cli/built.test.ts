import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commandNames } from '../../src/cli/program.ts';

const built = new URL('../../dist/cli/', import.meta.url);
const run = promisify(execFile);

describe('cli: as it is built', () => {
  it('lists its commands', async () => {
    const { stdout } = await run(process.execPath, [fileURLToPath(new URL('main.js', built)), '--help']);
    for (const name of commandNames) assert.match(stdout, new RegExp(`^ {2}${name} `, 'm'));
  });

  it('has of each command all that it needs', async () => {
    const script = `
      import { buildProgram } from ${JSON.stringify(new URL('program.js', built).href)};
      const { stdout } = process;
      for (const name of process.argv.slice(1)) {
        const { commands } = await buildProgram([name]);
        stdout.write(commands.find((command) => command.name() === name).helpInformation());
      }`;
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script, ...commandNames]);
    assert.deepEqual(
      stdout.match(/^Usage: khala-relay \w+/gm),
      commandNames.map((name) => `Usage: khala-relay ${name}`),
    );
  });
});
