import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { temporaryFolder } from '../support/entities.ts';
import { freePort } from '../support/free-port.ts';

const root = new URL('../..', import.meta.url);

/** The shell block under a heading of README.md. */
async function shellBlock(heading: string): Promise<string> {
  const text = await readFile(new URL('README.md', root), 'utf8');
  const [, section = ''] = text.split(`\n## ${heading}\n`);
  const [, block] = /```sh\n([^]*?)```/.exec(section.split('\n## ', 1)[0] ?? '') ?? [];
  assert.ok(block !== undefined, `README.md has no commands under "${heading}"`);
  return block;
}

describe('README.md', () => {
  it('names no script that there is not', async () => {
    const text = await readFile(new URL('README.md', root), 'utf8');
    const { scripts } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as {
      readonly scripts: Readonly<Record<string, string>>;
    };
    const named = [...text.matchAll(/\bnpm (?:run (?<own>[\w:-]+)|(?<short>start|test)\b)/g)].map(
      ({ groups }) => groups?.['own'] ?? groups?.['short'] ?? '',
    );
    for (const name of ['start', 'test', 'build', 'bench']) assert.ok(named.includes(name), `${name} is not named`);
    const missing = named.filter((name) => !(name in scripts));
    assert.deepEqual(missing, []);
  });

  it('brings a hundred messages to a worker that was away, once each, though a relay is killed', async () => {
    const folder = await temporaryFolder();
    let script = await shellBlock('Mail for a worker that is away');
    // What others on this machine may use at the same time.
    const chainPort = await freePort();
    for (const [written, port] of [
      ['9944', chainPort],
      ['8711', await freePort()],
      ['8712', await freePort()],
    ] as const) {
      assert.ok(script.includes(written));
      script = script.replaceAll(written, String(port));
    }
    const demo = '/tmp/khala-demo';
    assert.ok(script.includes(demo));
    const env = {
      ...process.env,
      TMPDIR: folder.path,
      HOME: folder.path,
      KHALA_RELAY_WS: `ws://127.0.0.1:${chainPort}`,
    };
    const shell = spawn('sh', ['-eu', '-c', script.replaceAll(demo, `${folder.path}/demo`)], {
      cwd: root,
      env,
      detached: true,
    });
    try {
      let [told, failed] = ['', ''];
      shell.stdout.on('data', (chunk: Buffer) => (told += chunk.toString()));
      shell.stderr.on('data', (chunk: Buffer) => (failed += chunk.toString()));
      // Before mocha gives up, so that a failure shows how far it came.
      const late = setTimeout(() => endGroup(shell.pid), 230_000);
      const [code] = (await once(shell, 'close')) as [number | null];
      clearTimeout(late);
      const counts = told.split('\n').filter((line) => /^ *[0-9]+ *$/.test(line));
      assert.deepEqual(
        [code, counts.map(Number)],
        [0, [100, 100, 0]],
        `${told}\n${failed}\n${await logsIn(folder.path)}`,
      );
    } finally {
      endGroup(shell.pid);
      await folder.remove();
    }
  }).timeout(240_000);
});

/** What the commands wrote to their logs, each from its end. */
async function logsIn(folder: string): Promise<string> {
  const files = await readdir(folder, { recursive: true });
  const logs = files.filter((file) => file.endsWith('.log'));
  const texts = await Promise.all(logs.map(async (log) => (await readFile(join(folder, log), 'utf8')).slice(-1_500)));
  return logs.map((log, n) => `== ${log}\n${texts[n]}`).join('\n');
}

/** The relays and the chain too, where the commands did not come to their end. */
function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}
