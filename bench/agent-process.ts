// An agent in a process of its own, for agent.bench.ts: `VAULT SOCKET PASSPHRASE`. Says "ready", and ends with its parent.
import { openVault, serveVault } from '../src/vault/index.ts';

const [path = '', socket = '', passphrase = ''] = process.argv.slice(2);
const agent = await serveVault({ vault: await openVault({ path, passphrase }), socket, dataPath: '' });
process.stdout.write('ready\n');
process.stdin.resume().once('end', () => void agent.stop());
