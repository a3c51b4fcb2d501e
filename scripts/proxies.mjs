// npm run proxies: prints the paths of nginx and caddy, for the tests of docs/relay.md's snippets: KHALA_RELAY_NGINX and
// KHALA_RELAY_CADDY, those on the PATH, or those of Debian's packages, which are unpacked into node_modules/.cache on first use.
// Nothing is installed in the system, and no service is started.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { proxies, unpackedFolder } from './lib/proxies.mjs';
import { inRoot } from './lib/root.mjs';
import { capture, main, say, StepFailed } from './lib/run.mjs';

/** Of each command of apt, s: a mirror may not answer. */
const patience = 100;
const cache = inRoot('node_modules', '.cache');

await main(async () => {
  let missing = 0;
  for (const proxy of proxies) {
    const path = (await found(proxy)) ?? (await unpacked(proxy));
    if (path === undefined) missing += 1;
    else console.log(path);
  }
  return missing === 0 ? 0 : 1;
});

async function found({ name, setting, version, path }) {
  const onPath = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  for (const each of [
    ...(process.env[setting] ? [process.env[setting]] : []),
    ...onPath,
    join(unpackedFolder(name), path),
  ])
    if (existsSync(each) && (await capture(each, [version])).code === 0) return each;
  return undefined;
}

/** undefined: it can't be had here, and why was said. */
async function unpacked(proxy) {
  const { name } = proxy;
  mkdirSync(cache, { recursive: true });
  const fresh = mkdtempSync(join(cache, `${name}-`));
  try {
    // Where the lists are new enough there is nothing to update, and who may not update them may still download.
    if (!(await apt(['download', name], fresh))) {
      await apt(['update'], fresh);
      if (!(await apt(['download', name], fresh))) throw new StepFailed('Debian does not give it');
    }
    const [archive] = readdirSync(fresh).filter((file) => file.endsWith('.deb'));
    const tree = join(fresh, 'tree');
    const { code, output } = await capture('dpkg-deb', ['-x', join(fresh, archive ?? ''), tree]);
    if (code !== 0) throw new StepFailed(output.trim());
    const folder = unpackedFolder(name);
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, '..'), { recursive: true });
    renameSync(tree, folder);
    const fit = await found(proxy);
    if (fit === undefined) throw new StepFailed(`what is unpacked in ${folder} does not run here`);
    return fit;
  } catch (error) {
    say(`There is no ${name}: ${error.message}. Its tests are skipped. On Debian: apt-get install ${name}`);
    return undefined;
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

async function apt(args, cwd) {
  const options = ['-q', '-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20'];
  const { code } = await capture('timeout', [`${patience}`, 'apt-get', ...options, ...args], {
    cwd,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  return code === 0;
}
