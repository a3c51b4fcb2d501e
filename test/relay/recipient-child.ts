import { appendFileSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInbox } from '../../src/inbox/index.ts';
import { createRelayClient, feedFromMailbox } from '../../src/relay/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { connectTo } from '../support/simulation/connect.ts';
import { Life } from '../support/simulation/life.ts';
import { SimulatedChain } from '../support/simulation/simulated-chain.ts';
import { bob, genesisHash } from './support.ts';

/**
 * A recipient in a process of its own: `recipient-child.ts URL FOLDER`. Reads its mailbox into an inbox over LMDB, and writes down what the inbox hands to its consumer, as {@link HandedOut} says. Nothing here knows what came before.
 */
const [url = '', folder = ''] = process.argv.slice(2);
const file = openSync(join(folder, 'received'), 'a');
const write = (line: string): void => {
  appendFileSync(file, `${line}\n`);
};
const vault = createMemoryVault({ identity: bob.keys, ecdh: bob.keys });
const store = await openLmdbStore({ path: join(folder, 'inbox') });
const chain = Object.assign(connectTo(new SimulatedChain(), new Life()), { genesisHash });
const inbox = createInbox({ chain, vault, store });
const client = createRelayClient({ genesisHash, allowPrivate: true });
write('started');
inbox.events$.subscribe((event) => {
  if (event.type !== 'message' || event.delivery.body.kind !== 'data') return;
  const text = new TextDecoder().decode(event.delivery.body.content);
  write(`got ${text}`);
  void event.delivery.ack().then(() => {
    write(`done ${text}`);
  });
});
await inbox.start();
const local = { identity: bob.identity, vault, accept: inbox.accept.bind(inbox) };
feedFromMailbox({ client, genesisHash, url, local, backoff: { firstMs: 5, mostMs: 20 } }).subscribe((event) => {
  if (event.type === 'ready') process.stdout.write('ready\n');
  if (event.type === 'dead' || event.type === 'refused') write(`got ${JSON.stringify(event.type)}`);
});
