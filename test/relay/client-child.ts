import { connectChain } from '../../src/chain/index.ts';
import { toHex, type Hex } from '../../src/codec/index.ts';
import { createOutbox } from '../../src/outbox/index.ts';
import { createCarrier, createRelayClient } from '../../src/relay/index.ts';
import { openLmdbStore } from '../../src/store/index.ts';
import { openVault } from '../../src/vault/index.ts';
import { utf8 } from '../support/entities.ts';

/**
 * A sender in a process of its own, with a durable queue: `client-child.ts WS FOLDER TO ECDH ENDPOINTS FIRST COUNT`. Queues COUNT
 * messages from number FIRST on, prints each number once it is queued, and `drained` when nothing is left.
 */
const [ws = '', folder = '', to = '0x', ecdh = '0x', endpoints = '', first = '0', count = '0'] = process.argv.slice(2);
const chain = await connectChain({ endpoints: [ws] });
const vault = await openVault({ path: `${folder}/vault`, passphrase: 'correct horse' });
const store = await openLmdbStore({ path: `${folder}/store` });
const ecdhKey = Buffer.from(ecdh.slice(2), 'hex');
const worker = { current: { epoch: 0, ecdhKey, proven: true }, endpoints: endpoints.split(',') };
const directory = { get: (id: Hex) => (id === to ? worker : undefined) };
const client = createRelayClient({ genesisHash: chain.genesisHash, allowPrivate: true });
const carrier = createCarrier({ client, directory, allowPrivate: true });
const outbox = createOutbox({ chain, vault, store, directory, carrier });
await outbox.start();
for (let n = Number(first); n < Number(first) + Number(count); n++) {
  await outbox.send({ to: toHex(Buffer.from(to.slice(2), 'hex')), body: { kind: 'data', content: utf8(`mail ${n}`) } });
  process.stdout.write(`${n}\n`);
}
const isOpen = async (): Promise<boolean> => {
  for await (const { status } of outbox.entries()) if (status.state !== 'relayed') return true;
  return false;
};
while (await isOpen()) await new Promise((resolve) => setTimeout(resolve, 50));
process.stdout.write('drained\n');
await outbox.stop();
await client.stop();
await chain.stop();
await store.close();
await vault.close();
