// An outbox in a process of its own that queues a message, posts all there is, and kills itself at one of its steps: before or
// after a commit, or after a node took an extrinsic.
import { accountFromSuri, connectChain, type Chain } from '../../src/chain/index.ts';
import { fromHex, type Hex } from '../../src/codec/index.ts';
import { createOutbox, openOutboxQueue } from '../../src/outbox/index.ts';
import { openLmdbStore, type TransactionalStore } from '../../src/store/index.ts';
import { openVault } from '../../src/vault/index.ts';
import { toldToGoOn } from '../support/child.ts';

const [ws = '', vaultPath = '', dataPath = '', to = '', ecdhKey = '', killAt = '', suri = '', as = ''] =
  process.argv.slice(2);
const killStep = Number(killAt);

let step = 0;
function mayDie(): void {
  if (step++ === killStep) process.kill(process.pid, 'SIGKILL');
}

const chain = await connectChain({ endpoints: [ws] });
const vault = await openVault({ path: vaultPath, passphrase: 'correct horse' });
await toldToGoOn();
const inner = await openLmdbStore({ path: dataPath });
const store: TransactionalStore = {
  get: (key) => inner.get(key),
  entries: (range) => inner.entries(range),
  async commit(writes, expected) {
    mayDie();
    const isWritten = await inner.commit(writes, expected);
    mayDie();
    return isWritten;
  },
  close: () => inner.close(),
  [Symbol.asyncDispose]: () => inner.close(),
};
const dying: Chain = {
  ...chain,
  async post(...args) {
    const extrinsic = await chain.post(...args);
    mayDie();
    return extrinsic;
  },
};
const directory = new Map([[to as Hex, { current: { ecdhKey: fromHex(ecdhKey), proven: true } }]]);
const account = accountFromSuri(suri);
const outbox = createOutbox({ chain: dying, vault, store, directory, account });
const body = { kind: 'data', content: new TextEncoder().encode('four') } as const;
await outbox.send({ to: to as Hex, body, as: as === 'worker' ? 'worker' : 'account' });
console.log('queued');
await outbox.start();
for await (const { sendId } of openOutboxQueue(inner).entries())
  await (await outbox.receipt(sendId))?.reached('finalized');
await outbox.stop();
await chain.stop();
await inner.close();
await vault.close();
console.log(`done after ${step}`);
