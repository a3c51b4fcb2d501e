import { toHex, type Hex } from '../../src/codec/index.ts';
import { createVault, openVault, type CreateVaultOptions, type Vault } from '../../src/vault/index.ts';

/** Argon2id as cheap as it gets: for tests only. */
export const cheap = { memory: 64, passes: 1, lanes: 1 } as const;
export const passphrase = 'correct horse';
export const genesisHash: Hex = `0x${'a0'.repeat(32)}`;

export function newVault(path: string, options: Partial<CreateVaultOptions> = {}): Promise<Vault> {
  return createVault({ path, passphrase, cost: cheap, ...options });
}

export function reopen(path: string): Promise<Vault> {
  return openVault({ path, passphrase });
}

export async function currentKey(vault: Vault): Promise<Uint8Array> {
  const current = (await vault.ecdhKeys()).find(({ state }) => state === 'current');
  if (current === undefined) throw new Error('no current key');
  return current.publicKey;
}

/** `0:retired 1:current`, for comparison. */
export async function epochsOf(vault: Vault): Promise<string> {
  return (await vault.ecdhKeys()).map(({ epoch, state }) => `${epoch}:${state}`).join(' ');
}

/** A data message of `from` to `to`, sealed to `recipientKey` (default: its current key). */
export async function sealTo(from: Vault, to: Vault, text: string, recipientKey?: Uint8Array): Promise<Uint8Array> {
  return from.seal({
    genesisHash,
    to: to.identity,
    recipientKey: recipientKey ?? (await currentKey(to)),
    nonce: 1n,
    sentAt: 2n,
    body: { kind: 'data', content: new TextEncoder().encode(text) },
  });
}

export async function openText(vault: Vault, envelope: Uint8Array): Promise<string> {
  const { body } = await vault.open({ genesisHash, envelope });
  return body.kind === 'data' ? new TextDecoder().decode(body.content) : `a ${body.kind}`;
}

export async function publicKeys(vault: Vault): Promise<string[]> {
  return (await vault.ecdhKeys()).map(({ epoch, publicKey }) => `${epoch} ${toHex(publicKey)}`);
}
