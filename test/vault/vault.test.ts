import { connectAgent, createMemoryVault, serveVault, type Vault, type VaultAgent } from '../../src/vault/index.ts';
import { createMemoryVault as createBrowserVault } from '../../src/vault/browser-vault.ts';
import { newVault } from '../support/vaults.ts';
import { describeVault } from './vault.compliance.ts';

describeVault('a file', (folder, now) => newVault(folder('vault'), { now }));

describeVault('in memory', async (_, now) => createMemoryVault({ now }));

describeVault("in a page's memory, by WebCrypto", async (_, now) => createBrowserVault({ now }));

let agents: VaultAgent[] = [];
describeVault('behind an agent', async (folder, now): Promise<Vault> => {
  const socket = folder('agent', 'socket');
  const vault = await newVault(folder('vault'), { now });
  agents.push(await serveVault({ vault, socket, dataPath: folder('data') }));
  return connectAgent({ socket });
});
afterEach(async () => {
  await Promise.all(agents.map((agent) => agent.stop()));
  agents = [];
});
