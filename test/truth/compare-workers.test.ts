import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describeRealNode, realNodeBinary } from '../support/real-node.ts';

const script = fileURLToPath(new URL('../../scripts/compare-workers.mjs', import.meta.url));

/** Runs the command on the embedded chain, or on a real node. */
function compare(
  node: string | undefined,
  ...args: readonly string[]
): Promise<{ code: number | null; output: string }> {
  const { KHALA_RELAY_NODE: _, ...others } = process.env;
  const env = node === undefined ? others : { ...others, KHALA_RELAY_NODE: node };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [script, ...args], { env }, (_, stdout, stderr) => {
      resolve({ code: child.exitCode, output: `${stdout}${stderr}` });
    });
  });
}

/** Of which blocks the watches were that came to what a fresh look shows, and printed something. */
function same(output: string): (string | undefined)[] {
  const lines = output.matchAll(/--finality (\w+): [1-9]\d* lines, the same as a fresh look/g);
  return [...lines].map(([, finality]) => finality);
}

/** Of the first rounds of each chain. */
const deeds = ['filled', 'stood still', 'stopped and started', 'killed and started'];

describe('workers --watch, left running', function () {
  this.timeout(300_000);

  it('comes to what a fresh workers shows of finalized and of best blocks, over fills, reorgs, restarts, kill -9 and a standstill', async () => {
    const { code, output } = await compare(undefined, '--rounds', '5');
    assert.equal(code, 0, output);
    for (const deed of [...deeds, 'reorged']) assert.ok(output.includes(deed), output);
    assert.deepEqual(same(output), ['finalized', 'best'], output);
  });

  it('refuses fewer rounds than there are things to do', async () => {
    for (const rounds of ['4', '0', 'many']) {
      const { code, output } = await compare(undefined, '--rounds', rounds);
      assert.equal(code, 2, output);
      assert.match(output, /--rounds must be 5 or more/);
    }
  });
});

describeRealNode('workers --watch, left running', function () {
  this.timeout(600_000);

  it('comes to what a fresh workers shows, over the same, and of best blocks where a node takes back what it had', async () => {
    const { code, output } = await compare(realNodeBinary, '--rounds', '5');
    assert.equal(code, 0, output);
    for (const deed of [...deeds, 'reorged']) assert.ok(output.includes(deed), output);
    assert.deepEqual(same(output), ['finalized', 'best', 'best'], output);
  });
});
