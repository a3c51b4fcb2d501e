import { recipientKeyOf } from '../channel/recipient-key.ts';
import { messageId, type Hex } from '../codec/index.ts';
import { RelayError } from '../errors/index.ts';
import type { Stored } from './outbox-change.ts';
import type { Work } from './work.ts';

export interface Sealed {
  readonly stored: Stored;
  readonly envelope: Uint8Array;
  readonly messageId: Hex;
}

/**
 * Seals what the vault kept, to the recipient's newest key or the one given, as of now; a Phala command is kept as it was
 * sealed. Throws unknown-recipient, unproven-key, kept-open-failed, and what Vault.sealKept throws.
 */
export async function sealStored(work: Work, stored: Stored, newest?: Uint8Array): Promise<Sealed> {
  const { genesisHash, vault, directory, store, account, now, signal } = work;
  const { suite, to, as, nonce, freshKey } = stored.record;
  const kept = await store.body(stored.id);
  if (kept === undefined) throw new RelayError('kept-open-failed');
  if (suite === 'phala') return { stored, envelope: kept, messageId: messageId({ genesisHash, envelope: kept }) };
  if (newest === undefined) await directory.load?.(to, signal);
  const recipientKey = newest ?? recipientKeyOf(directory, to, work);
  const envelope = await vault.sealKept({
    genesisHash,
    to,
    recipientKey,
    ...(as === 'account' && account !== undefined ? { account: account.id } : {}),
    nonce,
    sentAt: BigInt(now()),
    kept,
    ...(freshKey ? { freshKey: { keepMs: 0 } } : {}),
  });
  return { stored, envelope, messageId: messageId({ genesisHash, envelope }) };
}
