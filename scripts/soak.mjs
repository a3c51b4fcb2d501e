// npm run soak -- [--minutes N] [--seed S] [--node embedded|real]: the random run against the truth (docs/testing.md).
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { main, pass } from './lib/run.mjs';

await main(async (args) => {
  await prepare();
  return pass(process.execPath, ['--import=tsx', inRoot('test', 'soak', 'main.ts'), ...args]);
});
