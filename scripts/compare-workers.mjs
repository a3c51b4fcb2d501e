// npm run workers:compare -- [--rounds N] [--seed S]: leaves `khala-relay workers --watch` running while a chain is filled,
// reorged, stood still, stopped and started, then compares what it printed with a fresh `khala-relay workers`. On a real
// node where KHALA_RELAY_NODE names one, else on `khala-relay dev`, which begins anew: the watch of finalized blocks must then
// end with chain-forked. Exit 1 where they differ.
import { prepare } from './lib/prepare.mjs';
import { inRoot } from './lib/root.mjs';
import { main, pass } from './lib/run.mjs';

await main(async (args) => {
  await prepare();
  return pass(process.execPath, ['--import', 'tsx', inRoot('test', 'truth', 'compare-main.ts'), ...args]);
});
