import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { useTempDir } from '../support/temp-dir.ts';
import { RawClient } from './support.ts';

const root = new URL('../../', import.meta.url);

function start(...flags: readonly string[]): ChildProcess {
  return spawn(process.execPath, ['dist/cli/main.js', 'dev', ...flags], { cwd: root });
}

/** The exit code, and all of both outputs. */
async function finished(child: ChildProcess): Promise<{ code: unknown; stdout: string; stderr: string }> {
  const closed = once(child, 'close') as Promise<[unknown]>;
  const [[code], stdout, stderr] = await Promise.all([closed, text(child.stdout!), text(child.stderr!)]);
  return { code, stdout, stderr };
}

describe('khala-relay dev', () => {
  const path = useTempDir();

  for (const [signal, expected] of [
    ['SIGINT', 130],
    ['SIGTERM', 0],
  ] as const) {
    it(`prints one line when it is ready, and ends with ${expected} on ${signal}`, async () => {
      const child = start('--port', '0', '--workers', '2', '--finality-lag', '1', '--json');
      const lines: string[] = [];
      const output = createInterface(child.stdout!);
      output.on('line', (line) => lines.push(line));
      await once(output, 'line');
      const ready = JSON.parse(lines[0]!) as { event: string; ws: string; genesisHash: string };
      assert.equal(ready.event, 'ready');
      using client = await RawClient.open(ready.ws);
      assert.equal(await client.result('chainSpec_v1_genesisHash'), ready.genesisHash);
      child.kill(signal);
      const [code] = (await once(child, 'close')) as [number];
      assert.equal(code, expected);
      assert.equal(lines.length, 1);
    });
  }

  it('tells a person where to connect', async () => {
    const child = start('--port', '0');
    const [line] = (await once(createInterface(child.stdout!), 'line')) as [string];
    assert.match(line, /^Dev chain ready: ws:\/\/127\.0\.0\.1:\d+ \(genesis 0x[0-9a-f]{64}\)$/);
    child.kill('SIGTERM');
    await once(child, 'close');
  });

  it('goes on where it stood with --data, after kill -9 too, and says so', async () => {
    const flags = ['--port', '0', '--data', path('data'), '--finality-lag', '2'];
    let head: unknown;
    for (const signal of ['SIGKILL', 'SIGTERM', 'SIGTERM'] as const) {
      const child = start(...flags, ...(head === undefined ? ['--json'] : []));
      const output = createInterface(child.stdout!);
      const [line] = (await once(output, 'line')) as [string];
      const [ws = ''] = /ws:[\d./:]+/.exec(line) ?? [];
      using client = await RawClient.open(ws);
      if (head !== undefined) assert.equal(await client.result('chain_getBlockHash'), head);
      head = await client.result('dev_newBlock', { count: 3 });
      child.kill(signal);
      await once(child, 'close');
    }
    const child = start(...flags);
    const closed = finished(child);
    await once(child.stdout!, 'data');
    child.kill('SIGTERM');
    assert.ok((await closed).stdout.includes(`with --data ${path('data')} it goes on where it stood`));
    const other = await finished(start('--port', '0', '--data', path('data'), '--workers', '1'));
    assert.equal(other.code, 1);
    assert.match(other.stderr, /begun with --workers 0 instead of 1\. \[dev-data-other-chain\]/);
  });

  it('exits with 2 where an option is wrong and with 1 where the start fails', async () => {
    const [wrong, range, missing] = await Promise.all([
      finished(start('--workers', 'many')),
      finished(start('--port', '70000')),
      finished(start('--port', '0', '--chain-spec', 'no-such-file.json')),
    ]);
    assert.deepEqual([wrong.code, range.code, missing.code], [2, 2, 1]);
    assert.match(wrong.stderr, /--workers is many/);
    assert.match(range.stderr, /dev-option-invalid/);
    assert.match(missing.stderr, /no-such-file\.json/);
    assert.equal(wrong.stdout + range.stdout + missing.stdout, '');
  });
});
