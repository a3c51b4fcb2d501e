import { join } from 'node:path';
import { accountFromSuri, connectChain, type Account, type Chain, type ChainLogger } from '../chain/index.ts';
import { RelayError } from '../errors/index.ts';
import { fileInPlaceOf, lockFile, makeFolder, openLmdbStore, type TransactionalStore } from '../store/index.ts';
import type { Hex } from '../codec/index.ts';
import type { Vault } from '../vault/index.ts';
import { required } from './resolve-settings.ts';
import { suri, type SuriFlags } from './secrets.ts';
import type { Settings } from './settings.ts';
import { stderrLogger } from './stderr-logger.ts';
import { writeFile } from 'node:fs/promises';

const msPerSecond = 1_000;
// Of the genesis hash, in the names of folders.
const chainDigits = 16;
// A one-shot command waits for another that is posting from the same folder.
const outboxPatienceMs = 60_000;

export function timeoutMs({ timeout }: Settings): number {
  return timeout * msPerSecond;
}

/**
 * The chain that the settings name. `logger`: told of connections that are lost and back; default the terminal. Throws bad-setting,
 * and what connectChain throws.
 */
export async function openChain(
  settings: Settings,
  signal: AbortSignal,
  logger: ChainLogger = stderrLogger,
): Promise<Chain> {
  return connectChain({
    endpoints: settings.ws,
    timeoutMs: timeoutMs(settings),
    signal,
    logger,
    ...(settings.quorum === undefined ? {} : { quorum: settings.quorum }),
    ...(settings.genesis === undefined ? {} : { genesisHash: wholeHash(settings.genesis) }),
  });
}

/** Of a chain that is connected to; where none is, the first digits tell it as well. Throws bad-setting. */
function wholeHash(genesis: string): Hex {
  if (/^0x[0-9a-f]{64}$/i.test(genesis)) return genesis.toLowerCase() as Hex;
  const reason = `"${genesis.slice(0, 80)}" is no hash of 32 bytes in 0x-hex`;
  throw new RelayError('bad-setting', { details: { name: 'genesis', reason } });
}

/** `verify` of a watch or an inbox; with always a finalized block counts when a quorum of endpoints has it. */
export function verified({ verify }: Settings): { readonly verify?: boolean } {
  return verify === 'auto' ? {} : { verify: verify === 'always' };
}

/** The paying account, or undefined where none is given. */
export function optionalAccount(flags: SuriFlags): Account | undefined {
  const given = suri(flags);
  return given === undefined ? undefined : accountFromSuri(given);
}

/** The paying account. Throws no-account. */
export function payingAccount(flags: SuriFlags): Account {
  const account = optionalAccount(flags);
  if (account === undefined) throw new RelayError('no-account');
  return account;
}

/** Folder of an entity's cursors, queues and mailboxes; an agent tells where its vault's is. */
export function dataFolder(settings: Settings, vault: Pick<Vault, 'dataPath'>): string {
  return settings.data ?? vault.dataPath ?? defaultDataFolder(required(settings, 'vault'));
}

export function defaultDataFolder(vaultPath: string): string {
  return `${vaultPath}.data`;
}

/** Name of the folder for what belongs to a chain. */
export function chainFolder(genesisHash: string): string {
  return genesisHash.slice(2, 2 + chainDigits).toLowerCase();
}

/** In a chain's folder: its whole genesis hash, for who queues without a chain. */
export const genesisFile = 'genesis';

export interface EntityData extends AsyncDisposable {
  /** Folder of what belongs to this chain. */
  readonly folder: string;
  readonly store: TransactionalStore;
}

/**
 * The entity's store for one chain, locked for one use: the inbox of a running listener, or the outbox of a sender.
 * Throws locked.
 */
export async function openData(
  dataPath: string,
  { genesisHash }: Pick<Chain, 'genesisHash'>,
  use: 'inbox' | 'outbox' | 'phala',
): Promise<EntityData> {
  const folder = join(dataPath, chainFolder(genesisHash));
  try {
    await makeFolder(folder, 0o700);
    await writeFile(join(folder, genesisFile), `${genesisHash}\n`);
  } catch (cause) {
    await refuseFile(folder, cause);
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new RelayError('store-failed', { details: { path: folder, reason }, cause });
  }
  const lock = await lockFile(join(folder, use), use === 'outbox' ? outboxPatienceMs : undefined);
  const store = await openLmdbStore({ path: join(folder, 'entity') });
  return {
    folder,
    store,
    async [Symbol.asyncDispose]() {
      await store.close();
      await lock.release();
    },
  };
}

/** Throws bad-setting where a file is in place of a folder of data, or of one above it. */
export async function refuseFile(folder: string, cause?: unknown): Promise<void> {
  const file = await fileInPlaceOf(folder);
  if (file === undefined) return;
  const details = { name: 'data', reason: `${file} is a file, not a folder` };
  throw new RelayError('bad-setting', { details, cause });
}

const developmentTypes: ReadonlySet<unknown> = new Set(['Development', 'Local']);

/**
 * Private addresses are followed where a development chain is reached on one. A node of one's own beside the relay is no such chain:
 * its registry is the world's.
 */
export function mayReachPrivate(
  { allowPrivate }: Pick<Settings, 'allowPrivate'>,
  { isLocal, info }: Pick<Chain, 'isLocal' | 'info'>,
): boolean {
  return allowPrivate ?? (isLocal && developmentTypes.has(info.chainType));
}
