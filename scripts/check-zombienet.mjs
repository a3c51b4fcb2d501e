// npm run zombienet:check [FILE]: reads zombienet.toml with zombienet's own packages, holds it against their types and lets them
// plan the network. The packages are installed into scripts/zombienet/ on first use: docs/dependencies.md says why there.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { npm } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { capture, main, say, step, StepFailed } from './lib/run.mjs';

const folder = inRoot('scripts', 'zombienet');
const programs = { POLKADOT_BIN: '/opt/polkadot', KHALA_BIN: '/opt/khala-node' };

await main(async ([file = inRoot('zombienet.toml')]) => {
  if (!existsSync(inRoot('scripts', 'zombienet', 'node_modules', '.package-lock.json')))
    await step("installing zombienet's packages", ...npm(['ci', '--loglevel=error', '--no-audit', '--no-fund']), {
      cwd: folder,
    });
  const config = read(resolve(file));
  await checkTypes(config);
  await checkPlan(config);
  say('zombienet.toml holds');
  return 0;
});

/** As zombienet reads it: variables of the environment filled in, then TOML. */
function read(file) {
  Object.assign(process.env, programs);
  const require = createRequire(inRoot('scripts', 'zombienet', 'package.json'));
  try {
    return require('@zombienet/utils').readNetworkConfig(file);
  } catch (error) {
    throw new StepFailed(`zombienet can not read ${file}: ${error.message}`);
  }
}

/** A key that zombienet does not know, or a value of another type than it takes, is an error of the compiler. */
async function checkTypes({ configBasePath: _, ...config }) {
  const source = `import type { LaunchConfig } from '@zombienet/orchestrator/dist/configTypes';
type Partly<T> = T extends readonly (infer E)[] ? Partly<E>[] : T extends object ? { [K in keyof T]?: Partly<T[K]> } : T;
export const config: Partly<LaunchConfig> = ${JSON.stringify(config, null, 2)};
`;
  const checked = inRoot('scripts', 'zombienet', 'node_modules', '.check');
  mkdirSync(checked, { recursive: true });
  writeFileSync(resolve(checked, 'config.ts'), source);
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--module', 'nodenext'];
  const tsc = inRoot('node_modules', 'typescript', 'bin', 'tsc');
  const { code, output } = await capture(process.execPath, [tsc, ...options, 'config.ts'], { cwd: checked });
  if (code !== 0) throw new StepFailed(`zombienet's types refuse the configuration:\n${output}`);
}

async function checkPlan(config) {
  const require = createRequire(inRoot('scripts', 'zombienet', 'package.json'));
  const { generateNetworkSpec } = require('@zombienet/orchestrator/dist/configGenerator.js');
  const { relaychain, parachains } = await generateNetworkSpec(config);
  const [khala] = parachains;
  const found = {
    validators: relaychain.nodes.filter((node) => node.validator && node.command === programs.POLKADOT_BIN).length,
    parachains: parachains.length,
    id: khala?.id,
    collators: khala?.collators.filter((node) => node.command === programs.KHALA_BIN).length,
    rpcPort: khala?.collators[0]?.rpcPort,
  };
  const wanted = { validators: 2, parachains: 1, id: 2004, collators: 1, rpcPort: 9944 };
  if (JSON.stringify(found) !== JSON.stringify(wanted))
    throw new StepFailed(`zombienet plans ${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
}
