// Run by scripts/soak.mjs.
import { realNodeBinary } from '../support/real-node.ts';
import { runOptions, type RunOptions } from './run-options.ts';

function optionsOrExit(): RunOptions {
  try {
    return runOptions(process.argv.slice(2), realNodeBinary);
  } catch (error) {
    console.error(`soak: ${(error as Error).message.split('\n')[0]}`);
    process.exit(2);
  }
}

const { minutes, seed, node: kind, without } = optionsOrExit();
const [{ embeddedNode, realNode }, { report }, { soak }] = await Promise.all([
  import('./node-under-test.ts'),
  import('./report.ts'),
  import('./soak.ts'),
]);
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
