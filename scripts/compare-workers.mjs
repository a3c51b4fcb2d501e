// npm run workers:compare -- [--rounds N] [--seed S]: leaves `khala-relay workers --watch` running, of finalized and of best
// blocks, while a chain is filled, reorged, stood still, stopped, killed and started, then compares what each printed with a
// fresh `khala-relay workers`. The first five rounds do one of these each, and fewer are refused. On `khala-relay dev --data`,
// or where KHALA_RELAY_NODE names one on a real node, whose best blocks are taken back on a second one that finalizes nothing.
// Exit 1 where they differ, 2 for a bad argument.
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { main, pass } from './lib/run.mjs';

await main(async (args) => {
  await prepare();
  return pass(process.execPath, ['--import', 'tsx', inRoot('test', 'truth', 'compare-main.ts'), ...args]);
});
