import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { inRoot } from './root.mjs';

const dist = inRoot('dist');
const stamp = join(dist, '.build-stamp');

/** Hash of everything that dist/ is made from. */
export function sourceHash() {
  const hash = createHash('sha256');
  const configs = ['tsconfig.json', 'tsconfig.build.json', 'package-lock.json'].map((name) => inRoot(name));
  for (const file of [...configs, ...filesUnder(inRoot('src'))])
    hash
      .update(`${relative(inRoot(), file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex');
}

export function isBuilt() {
  return existsSync(stamp) && existsSync(join(dist, '.tsbuildinfo')) && readFileSync(stamp, 'utf8') === sourceHash();
}

export function markBuilt(hash) {
  mkdirSync(dist, { recursive: true });
  writeFileSync(stamp, hash);
}

/** Deletes what was compiled from a file that is gone; an empty dist/ loses the compiler's memory of it too. */
export function dropOrphans() {
  if (!existsSync(dist)) return;
  for (const file of filesUnder(dist)) {
    const source = inRoot('src', relative(dist, file).replace(/(\.d)?\.(ts|js)$/, '.ts'));
    if (/\.(js|ts)$/.test(file) && !existsSync(source)) rmSync(file);
  }
  if (!existsSync(join(dist, 'index.js'))) rmSync(join(dist, '.tsbuildinfo'), { force: true });
}

function filesUnder(folder) {
  return readdirSync(folder)
    .sort()
    .map((name) => join(folder, name))
    .flatMap((path) => (statSync(path).isDirectory() ? filesUnder(path) : [path]));
}
