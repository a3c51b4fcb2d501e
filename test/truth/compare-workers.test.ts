import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const entry = fileURLToPath(new URL('compare-main.ts', import.meta.url));

/** Runs the command on the embedded chain. */
function compare(...args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const env = { ...process.env };
  delete env['KHALA_RELAY_NODE'];
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--import', 'tsx', entry, ...args], { env }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, output: `${stdout}${stderr}` });
    });
  });
}

describe('workers --watch, left running', function () {
  this.timeout(300_000);

  it('comes to what a fresh workers shows, over fills, reorgs, a restart and a standstill', async () => {
    const { code, output } = await compare('--rounds', '4');
    assert.equal(code, 0, output);
    for (const deed of ['filled', 'reorged', 'stopped and started', 'stood still'])
      assert.ok(output.includes(deed), output);
    assert.match(output, /--finality best: \d+ lines, the same as a fresh look/);
  });
});
