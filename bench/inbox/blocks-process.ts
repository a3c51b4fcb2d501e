// A node for benches: `blocks-process.ts BLOCKS FOLDER`. It has so many blocks, every tenth with 20 messages, half of them
// to the entity whose vault it makes in FOLDER. Prints its URL, and that of the same one with safe RPCs only.
import { join } from 'node:path';
import { ready } from '../../src/crypto/index.ts';
import { startDevChain } from '../../src/dev-chain/index.ts';
import { createVault } from '../../src/vault/index.ts';
import { makeBlocks } from './made-blocks.ts';
import { serveBlocks } from './serve-blocks.ts';
import { cheapKdf, passphrase, recipientVault } from './recipient.ts';

const [count = '', folder = ''] = process.argv.slice(2);
await ready();
const dev = await startDevChain();
const recipient = await createVault({ path: join(folder, recipientVault), passphrase, cost: cheapKdf });
const sender = await createVault({ path: join(folder, 'sender'), passphrase, cost: cheapKdf });
const [key] = await recipient.ecdhKeys();
if (key === undefined) throw new Error('a new vault has a key');
const to = { identity: recipient.identity, ecdhKey: key.publicKey };
const blocks = await makeBlocks(dev.genesisHash, Number(count), sender, to);
const [url, safeUrl] = [
  await serveBlocks(dev.ws, blocks, { hidesUnsafe: false }),
  await serveBlocks(dev.ws, blocks, { hidesUnsafe: true }),
];
console.log(JSON.stringify({ url, safeUrl }));
process.stdin.resume().once('end', () => process.exit());
