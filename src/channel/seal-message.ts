import { messageId, type BodyInput, type Hex } from '../codec/index.ts';
import { checkU64 } from '../errors/index.ts';
import type { TransactionalStore } from '../store/index.ts';
import type { FreshKey, Vault } from '../vault/index.ts';
import { reserveNonce, type NonceClock } from './nonce-source.ts';
import { recipientKeyOf, type KeyDirectory, type RecipientKeyOptions } from './recipient-key.ts';

export interface Sender extends RecipientKeyOptions, NonceClock {
  readonly vault: Vault;
  readonly genesisHash: Hex;
  /** Where the last nonce of each channel is kept. */
  readonly store: TransactionalStore;
  readonly directory: KeyDirectory;
}

export interface Outgoing {
  readonly to: Hex;
  readonly body: BodyInput;
  /** The account that is the sender; without it the vault's identity is. */
  readonly account?: Hex;
  /** EcdhKey to encrypt to, 32 bytes. Default: the recipient's current one. A reply goes to the asker's. */
  readonly recipientKey?: Uint8Array;
  /** Of a message that is sealed again. Default: the next of the channel. */
  readonly nonce?: bigint;
  /** Seals from a key made for this message alone. Default: from the vault's current one. */
  readonly freshKey?: FreshKey;
}

export interface SealedMessage {
  readonly envelope: Uint8Array;
  readonly messageId: Hex;
  readonly nonce: bigint;
}

/** Takes the next nonce of the channel, durably, and seals. Throws bad-value, unknown-recipient, unproven-key, and what Vault.seal throws. */
export async function sealMessage(sender: Sender, outgoing: Outgoing): Promise<SealedMessage> {
  const { vault, genesisHash, directory, now = Date.now } = sender;
  const { to, body, account, freshKey } = outgoing;
  if (outgoing.nonce !== undefined) checkU64('nonce', outgoing.nonce);
  const recipientKey = outgoing.recipientKey ?? recipientKeyOf(directory, to, sender);
  const nonce = outgoing.nonce ?? (await takeNonce(sender, to, account));
  const envelope = await vault.seal({
    genesisHash,
    to,
    recipientKey,
    ...(account === undefined ? {} : { account }),
    nonce,
    sentAt: BigInt(now()),
    body,
    ...(freshKey === undefined ? {} : { freshKey }),
  });
  return { envelope, nonce, messageId: messageId({ genesisHash, envelope }) };
}

async function takeNonce(sender: Sender, to: Hex, account: Hex | undefined): Promise<bigint> {
  const from = account ?? sender.vault.identity;
  const fromKind = account === undefined ? ('worker' as const) : ('account' as const);
  for (;;) {
    const { nonce, write, expectation } = await reserveNonce(sender.store, { fromKind, from, to }, sender);
    if (await sender.store.commit([write], [expectation])) return nonce;
  }
}
