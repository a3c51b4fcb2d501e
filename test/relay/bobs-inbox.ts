import { appendFileSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInbox } from '../../src/inbox/index.ts';
import type { LocalEntity } from '../../src/relay/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { createMemoryVault } from '../../src/vault/index.ts';
import { connectTo } from '../support/simulation/connect.ts';
import { Life } from '../support/simulation/life.ts';
import { SimulatedChain } from '../support/simulation/simulated-chain.ts';
import { bob, genesisHash } from './support.ts';

/** Of a process that may be killed: bob's inbox over LMDB in a folder. What it hands out is written down there in `received`, as {@link HandedOut} says. */
export async function openBobsInbox(
  folder: string,
): Promise<{ readonly local: Required<LocalEntity>; readonly write: (line: string) => void }> {
  const file = openSync(join(folder, 'received'), 'a');
  const write = (line: string): void => {
    appendFileSync(file, `${line}\n`);
  };
  const vault = createMemoryVault({ identity: bob.keys, ecdh: bob.keys });
  const store = await openLmdbStore({ path: join(folder, 'inbox') });
  const chain = Object.assign(connectTo(new SimulatedChain(), new Life()), { genesisHash });
  const inbox = createInbox({ chain, vault, store });
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
  return { local: { identity: bob.identity, vault, accept: inbox.accept.bind(inbox) }, write };
}
