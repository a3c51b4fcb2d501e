/**
 * Fuzzes the HTTP surface of a relay by its own OpenAPI document with schemathesis (PyPI), which is installed under
 * node_modules/.cache the first time. What follows `--` goes to schemathesis, as `-- --seed 7 --max-examples 2000`.
 * Without Python it says so and what to install; with `--required` that is a failure.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const version = '4.32.5';
const venv = fileURLToPath(new URL(`../node_modules/.cache/schemathesis-${version}`, import.meta.url));
const program = join(venv, 'bin', 'schemathesis');
const relayScript = fileURLToPath(new URL('../test/relay/relay-child.ts', import.meta.url));
const config = fileURLToPath(new URL('schemathesis.toml', import.meta.url));

const args = process.argv.slice(2);
const required = args.includes('--required');
const rest = args.filter((arg) => arg !== '--required');

const missing = install();
if (missing === undefined) process.exitCode = await fuzz();
else {
  console.error(`${required ? 'FAILED' : 'SKIPPED'}: the HTTP surface was not fuzzed: ${missing}`);
  console.error('It needs Python 3.10 or newer with venv (Debian: apt-get install python3-venv) and access to PyPI.');
  process.exitCode = required ? 1 : 0;
}

/** Why it is not there; undefined where it is. */
function install(): string | undefined {
  if (existsSync(program)) return undefined;
  for (const [command, ...rest] of [
    ['python3', '-m', 'venv', venv],
    [join(venv, 'bin', 'pip'), 'install', '--quiet', `schemathesis==${version}`],
  ] as const) {
    const { status, error, stderr } = spawnSync(command, rest, { encoding: 'utf8' });
    if (status !== 0) return `${command} ${rest.join(' ')}: ${error?.message ?? stderr.trim()}`;
  }
  return undefined;
}

async function fuzz(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'khala-api-'));
  const relay = spawn(process.execPath, ['--import', 'tsx', relayScript, folder, '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = (await once(relay.stdout, 'data')) as [Buffer];
    const url = line.toString().trim();
    const run = spawn(program, ['--config-file', config, 'run', `${url}/openapi.json`, '--seed', '1', ...rest], {
      stdio: 'inherit',
      cwd: folder,
    });
    const [code] = (await once(run, 'exit')) as [number | null];
    const { status } = await fetch(`${url}/readyz`);
    if (status !== 200) console.error(`afterwards /readyz answers ${status}`);
    return status === 200 ? (code ?? 1) : 1;
  } finally {
    relay.kill();
    if (relay.exitCode === null) await once(relay, 'exit');
    await rm(folder, { recursive: true });
  }
}
