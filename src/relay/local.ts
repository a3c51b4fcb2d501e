import { encodeEcdhRecord, type Hex } from '../codec/index.ts';
import { isRelayError, RelayError } from '../errors/index.ts';
import type { Ingested } from './ingest.ts';
import type { LocalEntity } from './relay-options.ts';

/**
 * Hands a verified message to the relay's own entity. Of one that another relay took (`isForwarded`) nobody would tell
 * the sender that it does not open: it becomes a dead letter. Throws what Inbox.accept throws; a sender that used an erased
 * epoch gets the record of the current one in `details.record` (protocol.md §11).
 */
export async function handOver(
  { signed }: Ingested,
  local: LocalEntity,
  { genesisHash, isForwarded }: { readonly genesisHash: Hex; readonly isForwarded: boolean },
): Promise<'delivered' | 'duplicate'> {
  try {
    // The clock was checked when the message came in, here or at the first relay.
    const options = { skipClockCheck: true, keepDead: isForwarded };
    const outcome = await local.accept(new Uint8Array(signed.envelope), options);
    return outcome === 'duplicate' ? 'duplicate' : 'delivered';
  } catch (error) {
    if (!isRelayError(error) || !staleEpoch.has(error.code) || local.vault === undefined) throw error;
    const record = await currentRecord(local.vault, genesisHash);
    throw new RelayError(error.code, { details: { ...error.details, record }, cause: error });
  }
}

const staleEpoch: ReadonlySet<string> = new Set(['epoch-erased', 'unknown-epoch']);

async function currentRecord(vault: NonNullable<LocalEntity['vault']>, genesisHash: Hex): Promise<string | undefined> {
  const current = (await vault.ecdhKeys()).findLast(({ state }) => state === 'current');
  if (current === undefined) return undefined;
  const { epoch, publicKey } = current;
  const signature = await vault.sign({ type: 'ecdh-record', genesisHash, epoch });
  return encodeEcdhRecord({ ecdhPublic: publicKey, epoch, signature });
}
