// `outbox-process.ts URL MESSAGES BYTES`: queues messages, then measures what it takes until all are in blocks.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type * as Root from '../../src/index.ts';
import type { Receipt } from '../../src/index.ts';
import { costOf } from '../cost.ts';

/** As it is packed: run from its sources, a loader gives names to functions, which takes as long as what they do. */
const packed = new URL('../../dist/', import.meta.url).href;
const { accountFromSuri, connectChain, createMemoryVault, createOutbox, openLmdbStore, ready } = (await import(
  `${packed}index.js`
)) as typeof Root;

const [ws = '', count = '', bytes = ''] = process.argv.slice(2);
const [messages, messageBytes] = [Number(count), Number(bytes)];
/** Of every block of the dev runtime: 75 % of 5 MiB. */
const blockBytes = 3_932_160;

await ready();
const folder = await mkdtemp(join(tmpdir(), 'khala-relay-bench-'));
const chain = await connectChain({ endpoints: [ws] });
const store = await openLmdbStore({ path: folder });
const [vault, recipient] = [createMemoryVault(), createMemoryVault()];
const [key] = await recipient.ecdhKeys();
if (key === undefined) throw new Error('a vault has a key');
const to = recipient.identity;
const directory = new Map([[to, { current: { ecdhKey: key.publicKey, proven: true } }]]);
const account = accountFromSuri('//Alice');
const outbox = createOutbox({ chain, vault, store, directory, account });
const receipts: Receipt[] = [];
const content = crypto.getRandomValues(new Uint8Array(messageBytes));
for (let i = 0; i < messages; i++)
  receipts.push(await outbox.send({ to, as: 'account', body: { kind: 'data', content } }));

const blocks = new Map<string, number>();
const cost = await costOf(async () => {
  await outbox.start();
  const arrivals = await Promise.all(receipts.map((receipt) => receipt.reached('inBlock')));
  for (const arrival of arrivals) if ('blockHash' in arrival) blocks.set(arrival.blockHash, arrival.blockNumber);
});

let extrinsics = 0;
const { ApiPromise, WsProvider } = await import('@polkadot/api');
const api = await ApiPromise.create({ provider: new WsProvider(ws) as never, noInitWarn: true });
for (const hash of blocks.keys()) {
  const { block } = await api.rpc.chain.getBlock(hash);
  extrinsics += block.extrinsics.filter(({ isSigned }) => isSigned).length;
}
const leastBlocks = Math.ceil((messages * messageBytes) / blockBytes);
// Those between, which are left empty, count too.
const taken = Math.max(...blocks.values()) - Math.min(...blocks.values()) + 1;
console.log(JSON.stringify({ ...cost, blocks: taken, extrinsics, leastBlocks }));
await outbox.stop();
await store.close();
await rm(folder, { recursive: true, force: true });
process.exit();
