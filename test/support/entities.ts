import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { accountFromSuri, type Account, type Chain } from '../../src/chain/index.ts';
import type { KeyDirectory } from '../../src/channel/index.ts';
import { registerEntity } from '../../src/presence/index.ts';
import { createVault, type Vault } from '../../src/vault/index.ts';

/** Cheap Argon2 for tests: the strength of the passphrase is not what they test. */
export const cheapKdf = { memory: 64, passes: 1, lanes: 1 };

const passphrase = 'correct horse';

/** A folder that the caller removes by `remove`. */
export async function temporaryFolder(): Promise<{ readonly path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'khala-relay-test-'));
  return { path, remove: () => rm(path, { recursive: true, force: true }) };
}

/** A new vault in `folder`. */
export function newVault(folder: string, name: string): Promise<Vault> {
  return createVault({ path: join(folder, name), passphrase, cost: cheapKdf });
}

export const alice: Account = accountFromSuri('//Alice');
export const bob: Account = accountFromSuri('//Bob');

/** New vaults, registered through sudo. */
export async function registered(chain: Chain, folder: string, names: readonly string[]): Promise<Vault[]> {
  const vaults: Vault[] = [];
  for (const name of names) {
    const vault = await newVault(folder, name);
    await registerEntity({ chain, vault, account: alice });
    vaults.push(vault);
  }
  return vaults;
}

/** Keys as the vaults have them now, in the place of WorkerState. */
export async function directoryOf(...vaults: readonly Vault[]): Promise<KeyDirectory> {
  return new Map(await directoryEntries(...vaults));
}

export async function directoryEntries(...vaults: readonly Vault[]) {
  return await Promise.all(
    vaults.map(async (vault) => {
      const current = (await vault.ecdhKeys()).find(({ state }) => state === 'current');
      if (current === undefined) throw new Error('a vault has a current epoch');
      return [vault.identity, { current: { ecdhKey: current.publicKey, proven: true } }] as const;
    }),
  );
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
