// npm start: installs and builds what is missing, then shows the main job. Arguments go to `khala-relay demo`.
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { main, pass } from './lib/run.mjs';

await main(async (args) => {
  await prepare();
  return pass(process.execPath, [inRoot('dist', 'cli', 'main.js'), 'demo', ...args]);
});
