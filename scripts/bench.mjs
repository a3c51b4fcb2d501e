// npm run bench: see bench/run.ts.
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { main, pass } from './lib/run.mjs';

await main(async (args) => {
  await prepare();
  return pass(process.execPath, ['--import', 'tsx', inRoot('bench', 'run.ts'), ...args]);
});
