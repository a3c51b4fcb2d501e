import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { RelayError } from '../errors/index.ts';
import { openLmdbStore, type TransactionalStore } from '../store/index.ts';
import { agentSocket } from '../vault/index.ts';
import { required } from './resolve-settings.ts';
import { chainFolder, defaultDataFolder, refuseFile } from './session.ts';
import type { Settings } from './settings.ts';
import { unlockVault } from './unlock-vault.ts';

/** An entity's data of one chain. */
export interface ChainFolder {
  /** First digits of its genesis hash: the name of the folder. */
  readonly chain: string;
  readonly path: string;
}

/**
 * The folders of an entity, one for each chain that it was used with, or the one of `genesis`: for commands that look after
 * data without a chain. Throws no-data, bad-setting.
 */
export async function chainFolders(settings: Settings): Promise<ChainFolder[]> {
  const data = await entityFolder(settings);
  const wanted = settings.genesis === undefined ? undefined : chainFolder(settings.genesis);
  await refuseFile(data);
  const names = await readdir(data).catch(() => []);
  const chains = names.filter((name) => /^[0-9a-f]+$/.test(name) && (wanted === undefined || name === wanted)).sort();
  if (chains.length === 0) throw new RelayError('no-data', { details: { path: data } });
  return chains.map((chain) => ({ chain, path: join(data, chain) }));
}

/** The store of the only chain there is, or of `genesis`. Throws no-data, many-chains. */
export async function onlyStore(settings: Settings): Promise<TransactionalStore> {
  const [only, ...others] = await chainFolders(settings);
  if (only === undefined || others.length > 0)
    throw new RelayError('many-chains', {
      details: { chains: [only, ...others].map((folder) => folder?.chain ?? '').join(', ') },
    });
  return storeOf(only);
}

export function storeOf({ path }: ChainFolder): Promise<TransactionalStore> {
  return openLmdbStore({ path: join(path, 'entity') });
}

/** Only an agent has to be asked where its entity's data lie. */
async function entityFolder(settings: Settings): Promise<string> {
  if (settings.data !== undefined) return settings.data;
  const vault = required(settings, 'vault');
  if (agentSocket(vault) === undefined) return defaultDataFolder(vault);
  await using agent = await unlockVault(settings);
  return agent.dataPath ?? defaultDataFolder(vault);
}
