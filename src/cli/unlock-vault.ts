import { openVault, type Vault } from '../vault/index.ts';
import { required } from './resolve-settings.ts';
import { passphrase } from './secrets.ts';
import type { Settings } from './settings.ts';

/** The vault that the settings name, its passphrase from the environment or a prompt. */
export async function unlockVault(settings: Settings): Promise<Vault> {
  const path = required(settings, 'vault');
  return openVault({ path, passphrase: await passphrase(`Passphrase of ${path}: `) });
}
