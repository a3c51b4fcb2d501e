import { existsSync } from 'node:fs';
import { dropOrphans, isBuilt, markBuilt, sourceHash } from './built.mjs';
import { isInstalled } from './installed.mjs';
import { inRoot } from './root.mjs';
import { step, StepFailed } from './run.mjs';

const oldest = [20, 19];

/** Installs and builds what is missing, and nothing else. Throws StepFailed. */
export async function prepare() {
  checkNode();
  await install();
  await build();
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > oldest[0] || (major === oldest[0] && minor >= oldest[1])) return;
  throw new StepFailed(`khala-relay needs Node ${oldest.join('.')} or newer; this is ${process.versions.node}.`);
}

export async function install() {
  if (isInstalled()) return;
  const fresh = !existsSync(inRoot('node_modules'));
  // `npm ci` would delete a node_modules that another process runs from. Warnings are hidden: docs/dependencies.md lists
  // the ones that npm gives on Node 20 and why they are harmless.
  const args = [...(fresh ? ['ci'] : ['install', '--no-save']), '--loglevel=error', '--no-audit', '--no-fund'];
  await step('installing packages', ...npm(args));
}

async function build() {
  if (isBuilt()) return;
  const hash = sourceHash();
  dropOrphans();
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  await step('building', process.execPath, [tsc, '-p', 'tsconfig.build.json']);
  markBuilt(hash);
}

/** The npm that runs this script, or the one on the path. */
export function npm(args) {
  const own = process.env.npm_execpath;
  return own?.endsWith('.js') ? [process.execPath, [own, ...args]] : ['npm', args];
}
