// A node for benches: `replay-process.ts WORKERS plain|records QUIET BUSY`. It runs a dev chain with so many workers, two
// endpoints each (`records`: one of them an ECDH record), makes QUIET further blocks without a change and then, for each
// number in BUSY (joined by commas), one in which that many workers have other endpoints. What it was asked before it
// answers from memory, so that after a rehearsal the client is measured and not the node. Prints its URL.
import { startDevChain } from '../../src/dev-chain/index.ts';
import { prepareBlocks } from './prepare-blocks.ts';
import { serveReplay } from './serve-replay.ts';

const [workers = '', kind = '', quiet = '0', busy = ''] = process.argv.slice(2);
const dev = await startDevChain({ workers: Number(workers) });
const first = dev.head.number + 1;
await prepareBlocks(dev, {
  hasRecords: kind === 'records',
  quiet: Number(quiet),
  busy: busy === '' ? [] : busy.split(',').map(Number),
});
console.log(JSON.stringify({ url: await serveReplay(dev.ws, first), first, last: dev.head.number }));
process.stdin.resume().once('end', () => process.exit());
