// npm run generated:check: makes every generated file again and says which one differs from what is committed.
import { existsSync, readFileSync } from 'node:fs';
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { capture, main, say } from './lib/run.mjs';
import { sourceHash } from './lib/source-hash.mjs';

const checks = {
  'docs/errors.md': () => generator('scripts/generate-error-docs.ts'),
  'docs/configuration.md': () => generator('scripts/generate-configuration-docs.ts'),
  'chain-types/': () => generator('scripts/generate-chain-types.ts'),
  // Building them again needs Rust (npm run runtime:build -- --check, sr25519:build); the hash tells whether that is due.
  'runtime/artifacts/': () => crate('runtime'),
  'sr25519/artifacts/': () => crate('sr25519'),
};

await main(async () => {
  await prepare();
  let differing = 0;
  for (const [what, check] of Object.entries(checks)) {
    const difference = await check();
    say(`${difference === '' ? 'unchanged' : 'DIFFERS  '}  ${what}`);
    process.stderr.write(difference);
    if (difference !== '') differing++;
  }
  return differing === 0 ? 0 : 1;
});

/** What a generator says with --check; nothing where the committed files are what it makes. */
async function generator(script) {
  if (!existsSync(inRoot(script))) return `${script} is missing\n`;
  const { code, output } = await capture(process.execPath, ['--import', 'tsx', script, '--check']);
  return code === 0 ? '' : output || `${script} --check ended with ${code}\n`;
}

/** Whether the WASM that is committed was built from the sources as they are. */
async function crate(folder) {
  const { sources } = JSON.parse(readFileSync(inRoot(folder, 'artifacts', 'source-hash.json'), 'utf8'));
  const now = await sourceHash(inRoot(folder));
  return now === sources ? '' : `built from sources with the hash ${sources}; they now have ${now}\n`;
}
