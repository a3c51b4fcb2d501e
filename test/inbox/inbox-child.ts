// An inbox in a process of its own, with a consumer that writes down what it gets, which kills itself at one of its steps: before
// or after a commit, or before or after the consumer has written something down, or acknowledged it.
import { connectChain } from '../../src/chain/index.ts';
import { createInbox } from '../../src/inbox/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { openVault } from '../../src/vault/index.ts';
import { Ledger, type RecipientEntry } from '../soak/ledger.ts';
import { toldToGoOn } from '../support/child.ts';
import { dyingStore } from '../support/dying-store.ts';
import { consume } from './crash-consumer.ts';

const [ws = '', vaultPath = '', dataPath = '', ledgerPath = '', killAt = '', finality = ''] = process.argv.slice(2);
const killStep = Number(killAt);

let step = 0;
function mayDie(): void {
  if (step++ === killStep) process.kill(process.pid, 'SIGKILL');
}

const chain = await connectChain({ endpoints: [ws] });
const vault = await openVault({ path: vaultPath, passphrase: 'correct horse' });
const from = Number(await toldToGoOn());
const inner = await openLmdbStore({ path: dataPath });
const store = dyingStore(inner, mayDie);
const inbox = createInbox({ chain, vault, store, from, finality: finality === 'best' ? 'best' : 'finalized' });
await inbox.start();
await consume(inbox, new Ledger<RecipientEntry>(ledgerPath), mayDie).over;
await inbox.stop();
await chain.stop();
await inner.close();
await vault.close();
console.log(`done after ${step}`);
