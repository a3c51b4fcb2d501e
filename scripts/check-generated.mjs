// npm run generated:check: makes every generated file again and says which one differs from what is committed.
import { existsSync, readFileSync } from 'node:fs';
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { capture, main, say } from './lib/run.mjs';

const checks = {
  'docs/errors.md': () => generator('scripts/generate-error-docs.ts'),
  'docs/configuration.md': () => generator('scripts/generate-configuration-docs.ts'),
  'chain-types/': () => generator('scripts/generate-chain-types.ts'),
  // Building it again needs Rust (npm run runtime:build -- --check); the hash tells whether that is due.
  'runtime/artifacts/': async () => {
    const { sources: sourceHash } = JSON.parse(
      readFileSync(inRoot('runtime', 'artifacts', 'source-hash.json'), 'utf8'),
    );
    const { runtimeSourceHash } = await import('./runtime-source-hash.mjs');
    const now = await runtimeSourceHash(inRoot());
    return now === sourceHash ? '' : `built from sources with the hash ${sourceHash}; they now have ${now}\n`;
  },
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
