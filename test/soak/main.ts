// Run by scripts/soak.mjs.
import { parseArgs } from 'node:util';
import { embeddedNode, realNode } from './node-under-test.ts';
import { report } from './report.ts';
import { runOptions } from './run-options.ts';
import { soak } from './soak.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    node: { type: 'string', default: 'embedded' },
    without: { type: 'string', multiple: true, default: [] },
  },
});
const { minutes, seed, node: kind, without } = runOptions(values);
const endsAt = Date.now() + minutes * 60_000;
const begun = Date.now();
const log = (line: string): void => {
  console.log(`${((Date.now() - begun) / 1_000).toFixed(1).padStart(7)} s  ${line}`);
};
log(`seed ${seed}, ${minutes} minutes, ${kind} node`);
await using node = await (kind === 'real' ? realNode() : embeddedNode());
const roles = {
  senders: [
    { name: 'worker-1', as: 'worker', suri: '//Bob' },
    { name: 'account-1', as: 'account', suri: '//Bob' },
    { name: 'worker-2', as: 'worker', suri: '//Charlie', isShared: true },
    { name: 'account-2', as: 'account', suri: '//Dave' },
  ],
  recipients: [
    { name: 'finalized-1', finality: 'finalized', suri: '//Ferdie' },
    { name: 'finalized-2', finality: 'finalized', suri: '//Ferdie' },
    { name: 'best-1', finality: 'best', suri: '//Ferdie' },
  ],
} as const;
const result = await soak({ node, seed, roles, isOver: () => Date.now() >= endsAt, without, log });
for (const line of report(result, seed)) console.log(line);
process.exitCode = result.broken.length === 0 ? 0 : 1;
