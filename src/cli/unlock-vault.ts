import { agentSocket, openVault, type Vault } from '../vault/index.ts';
import { required } from './resolve-settings.ts';
import { passphrase } from './secrets.ts';
import type { Settings } from './settings.ts';

/** The vault that the settings name, its passphrase from the environment or a prompt; an agent needs none. */
export async function unlockVault(settings: Settings): Promise<Vault> {
  const path = required(settings, 'vault');
  if (agentSocket(path) !== undefined) return openVault({ path });
  return openVault({ path, passphrase: await passphrase(`Passphrase of ${path}: `) });
}
