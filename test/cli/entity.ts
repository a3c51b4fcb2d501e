import { connectChain } from '../../src/chain/index.ts';
import type { Hex } from '../../src/codec/index.ts';
import { registerEntity } from '../../src/presence/index.ts';
import { alice } from '../support/entities.ts';
import { newVault, reopen } from '../support/vaults.ts';

/**
 * A vault for the commands of a test, and its identity. Made here and not by `keys new`, which takes a second and a
 * passphrase that each later command derives its key from.
 */
export async function makeVault(path: string): Promise<Hex> {
  await using vault = await newVault(path);
  return vault.identity;
}

/** Registers the entity of a vault through sudo, with its endpoints, as `register` does. */
export async function register(ws: string, path: string, ...endpoints: readonly string[]): Promise<void> {
  await using vault = await reopen(path);
  await using chain = await connectChain({ endpoints: [ws] });
  await registerEntity({ chain, vault, account: alice }, endpoints);
}
