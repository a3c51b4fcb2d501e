import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describeRealNode, realNodeBinary } from '../support/real-node.ts';

const entry = fileURLToPath(new URL('compare-main.ts', import.meta.url));

/** Runs the command on the embedded chain, or on a real node. */
function compare(
  node: string | undefined,
  ...args: readonly string[]
): Promise<{ code: number | null; output: string }> {
  const { KHALA_RELAY_NODE: _, ...others } = process.env;
  const env = node === undefined ? others : { ...others, KHALA_RELAY_NODE: node };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--import', 'tsx', entry, ...args], { env }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, output: `${stdout}${stderr}` });
    });
  });
}

describe('workers --watch, left running', function () {
  this.timeout(300_000);

  it('comes to what a fresh workers shows, over fills, reorgs, a restart and a standstill', async () => {
    const { code, output } = await compare(undefined, '--rounds', '4');
    assert.equal(code, 0, output);
    for (const deed of ['filled', 'reorged', 'stopped and started', 'stood still'])
      assert.ok(output.includes(deed), output);
    assert.match(output, /--finality best: \d+ lines, the same as a fresh look/);
  });
});

describeRealNode('workers --watch, left running', function () {
  this.timeout(300_000);

  it('comes to what a fresh workers shows of finalized and of best blocks, over fills, a restart and a standstill', async () => {
    const { code, output } = await compare(realNodeBinary, '--rounds', '4');
    assert.equal(code, 0, output);
    for (const deed of ['filled', 'stopped and started', 'stood still']) assert.ok(output.includes(deed), output);
    for (const finality of ['finalized', 'best'])
      assert.match(output, new RegExp(`--finality ${finality}: [1-9]\\d* lines, the same as a fresh look`));
  });
});
