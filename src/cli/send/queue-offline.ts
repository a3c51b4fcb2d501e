import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Account } from '../../chain/index.ts';
import { fromHex, toHex, type BodyInput, type Hex } from '../../codec/index.ts';
import { isRelayError, RelayError } from '../../errors/index.ts';
import { queueMessage } from '../../outbox/index.ts';
import type { Vault } from '../../vault/index.ts';
import { chainFolders, storeOf, type ChainFolder } from '../chain-folders.ts';
import type { Context } from '../command.ts';
import { dataFolder, genesisFile } from '../session.ts';
import { interrupted } from './or-interrupted.ts';
import { mannerOf, type SendFlags } from './sending.ts';
import { printQueued } from './until-there.ts';

export interface OfflineParts {
  readonly context: Context<SendFlags>;
  readonly vault: Vault;
  readonly to: Hex;
  readonly account: Account | undefined;
  readonly bodies: AsyncIterable<BodyInput> | Iterable<BodyInput>;
  /** Why there is no chain. */
  readonly unreachable: RelayError;
}

/**
 * Queues messages for the one chain that the entity was used with before, or the one of `--genesis`, and ends with
 * still-queued. Whether the recipient is registered shows when they go. Throws `unreachable` where no chain is known.
 */
export async function queueOffline({ context, vault, to, account, bodies, unreachable }: OfflineParts): Promise<void> {
  const { settings, flags, output, signal } = context;
  const folders = await chainFolders({ ...settings, data: dataFolder(settings, vault) }).catch((error: unknown) => {
    if (isRelayError(error, 'no-data')) return [];
    throw error;
  });
  const [folder, ...others] = folders;
  const genesisHash = folder === undefined || others.length > 0 ? undefined : await genesisOf(folder);
  if (folder === undefined || genesisHash === undefined) throw unreachable;
  await using store = await storeOf(folder);
  let count = 0;
  for await (const body of bodies) {
    if (signal.aborted) break;
    const message = { to, body, ...mannerOf(flags) };
    const { sendId } = await queueMessage({ vault, store, genesisHash, account }, message);
    printQueued(output, sendId);
    count += 1;
  }
  if (signal.aborted) throw interrupted({ queued: count }, signal.reason);
  throw new RelayError('still-queued', { details: { count, reason: unreachable.message }, cause: unreachable });
}

/** undefined where an older version made the folder. */
async function genesisOf({ path }: ChainFolder): Promise<Hex | undefined> {
  try {
    return toHex(fromHex((await readFile(join(path, genesisFile), 'utf8')).trim(), 'The genesis hash'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
